# syntax=docker/dockerfile:1
# docker build --platform linux/arm64 .     as the stack expects by default; or linux/amd64, with its Architecture=X86_64
#
# Without --platform=$BUILDPLATFORM: each architecture is built by a machine (or an emulation) of its own kind, so that no
# cross compiler is needed. The workflow that releases has one runner for each.

# The toolchain of rust-toolchain.toml (which is not copied: rustup would fetch the linters that it names). Alpine's is
# musl, so that the binary needs no library.
FROM rust:1.95.0-alpine AS toolchain
# ring compiles C. The versions of Alpine's packages go with those of the base image and are not kept for long.
# hadolint ignore=DL3018
RUN apk add --no-cache musl-dev gcc make ca-certificates
WORKDIR /src
# A tenth of the binary each: tables for unwinding, which a release never does, and one word for each pointer.
# (With a target, the flags are for the binary alone, and not for the macros that the compiler loads.)
ENV RUSTFLAGS="-C force-unwind-tables=no -C link-arg=-Wl,-z,pack-relative-relocs"

# What others wrote, with nothing of ours in it but the manifests: rebuilt when these change, not when a source does.
# Cargo refuses a manifest that names a target whose file is missing. Of the targets an image needs `src/main.rs` and
# `src/lib.rs` only, which cargo finds by itself, so whatever else the manifest declares is left out here.
# (`.ci/run stages` carries out these stages as far as cargo, in seconds.)
FROM toolchain AS dependencies
COPY Cargo.toml Cargo.lock ./
RUN awk '/^ *\[/ { declared = /^ *\[\[ *(bench|bin|example|test) *\]\]/ } !declared' Cargo.toml > image.toml \
    && mv image.toml Cargo.toml \
    && mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --target "$(uname -m)-unknown-linux-musl"

FROM dependencies AS build
COPY src src
# Cargo goes by the time of a file, and those copied may be older than the empty ones that were just compiled.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin ecs-rotator --target "$(uname -m)-unknown-linux-musl" \
    && cp "target/$(uname -m)-unknown-linux-musl/release/ecs-rotator" /ecs-rotator

# The binary and the certificates that rustls reads there; no shell, no library, nobody's password.
FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="ecs-rotator" \
      org.opencontainers.image.description="Replaces every EC2 host of an Amazon ECS cluster when a new AMI is released" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=toolchain /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /ecs-rotator /ecs-rotator
USER 65532:65532
ENTRYPOINT ["/ecs-rotator"]
CMD ["run"]
