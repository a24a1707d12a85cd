//! Which image the hosts of a group shall run, and what is to be written so that the next instance runs it.
//!
//! group → template and the version in use → image in use → parameter (the group's `ami-parameter` tag, or the family
//! named by its `OS` tag with the architecture of the image in use) → the new image. Each arrow is a look; [`resolve`]
//! names the next one that is lacking until it can answer. A group that cannot be resolved says why, and stays as it is.

use super::model::{ClusterView, GroupView, Look, Seen};
use crate::effect::{Image, TemplateSpec, TemplateVersion, VersionRule};
use crate::id::{AmiId, GroupName, ParameterName};

/// What is known of a group's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// The next thing to ask.
    Lacks(Look),
    Unresolved {
        reason: String,
    },
    Resolved(Release<'a>),
}

/// A group's release, and the template that shall launch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    pub image: AmiId,
    pub parameter: ParameterName,
    pub spec: &'a TemplateSpec,
    /// The template version that the group's next instance would launch with.
    pub in_use: &'a TemplateVersion,
    pub windows: bool,
}

impl Release<'_> {
    /// Does the group's next instance launch with the release?
    pub fn is_in_use(&self) -> bool {
        self.in_use.image.as_deref() == Some(self.image.as_str())
    }

    /// What a version of ours says of itself: by this it is found again.
    pub fn description(&self) -> String {
        version_description(&self.image, self.in_use.number)
    }

    /// The same for everybody who asks for this version: AWS makes one.
    pub fn client_token(&self) -> String {
        format!("{}-{}-{}", self.spec.template, self.in_use.number, self.image)
    }
}

/// Template versions never change, so a version of ours is fully named by its image and the version it was made from.
pub fn version_description(image: &AmiId, source: u64) -> String {
    format!("ecs-rotator: {image} from version {source}")
}

/// Finds the group's release, or what is still to be asked, or why there is none.
pub fn resolve<'a>(view: &'a ClusterView, name: &GroupName, group: &'a GroupView) -> Resolution<'a> {
    match try_resolve(view, name, group) {
        Ok(release) => Resolution::Resolved(release),
        Err(Stop::Lacks(look)) => Resolution::Lacks(look),
        Err(Stop::Unresolved(reason)) => Resolution::Unresolved { reason },
    }
}

enum Stop {
    Lacks(Look),
    Unresolved(String),
}

fn try_resolve<'a>(view: &'a ClusterView, name: &GroupName, group: &'a GroupView) -> Result<Release<'a>, Stop> {
    if let Some(problem) = &group.problem {
        return Err(Stop::Unresolved(problem.clone()));
    }
    let spec = group.facts.template.as_ref().ok_or_else(|| {
        Stop::Unresolved("it uses a launch configuration, which is not supported: give it a launch template".to_owned())
    })?;
    if spec.overridden {
        let reason = "an override of its mixed-instances policy brings its own template or image: not supported yet";
        return Err(Stop::Unresolved(reason.to_owned()));
    }
    let in_use = template_in_use(view, spec)?;
    let image_in_use = image_of(in_use)?;
    let old = image(view, &image_in_use)?;
    let parameter = parameter_of(name, group, &old)?;
    let release = parameter_value(view, &parameter)?;
    let new = image(view, &release)?;
    check(&parameter, &old, &new, group.policy.allow_older)?;
    Ok(Release { image: release, parameter, spec, in_use, windows: new.windows })
}

fn parameter_value(view: &ClusterView, parameter: &ParameterName) -> Result<AmiId, Stop> {
    match view.parameters.get(parameter) {
        None => Err(Stop::Lacks(Look::Parameter(parameter.clone()))),
        Some(Err(reason)) => Err(Stop::Unresolved(format!("parameter {parameter}: {reason}"))),
        Some(Ok(value)) => image_id(parameter, value),
    }
}

fn template_in_use<'a>(view: &'a ClusterView, spec: &TemplateSpec) -> Result<&'a TemplateVersion, Stop> {
    match view.templates.get(&(spec.template.clone(), spec.rule)) {
        Some(Ok(version)) => Ok(version),
        Some(Err(reason)) => {
            Err(Stop::Unresolved(format!("launch template {} version {}: {reason}", spec.template, spec.rule)))
        }
        None => Err(Stop::Lacks(Look::Template(spec.template.clone(), spec.rule))),
    }
}

fn image_of(version: &TemplateVersion) -> Result<AmiId, Stop> {
    let (template, number) = (&version.template, version.number);
    match version.image.as_deref() {
        Some(id) if id.starts_with("ami-") => Ok(AmiId::from(id)),
        Some(other) => Err(Stop::Unresolved(format!(
            "launch template {template} version {number} names its image as `{other}`: not supported yet"
        ))),
        None => Err(Stop::Unresolved(format!("launch template {template} version {number} names no image"))),
    }
}

fn image(view: &ClusterView, id: &AmiId) -> Result<Image, Stop> {
    match view.images.get(id) {
        None | Some(Seen::Unknown) => Err(Stop::Lacks(Look::Image(id.clone()))),
        // An image in use may have been deregistered since: its hosts run on all the same.
        Some(Seen::Missing) => Err(Stop::Unresolved(format!("image {id} does not exist here (any more)"))),
        Some(Seen::Here(image)) => Ok(image.clone()),
    }
}

fn parameter_of(name: &GroupName, group: &GroupView, old: &Image) -> Result<ParameterName, Stop> {
    if let Some(parameter) = &group.source.ami_parameter {
        return Ok(parameter.clone());
    }
    let Some(os) = &group.source.os else {
        return Err(Stop::Unresolved(format!(
            "nothing says where its image comes from: tag the group {name} with `ami-parameter` or `OS`"
        )));
    };
    family_parameter(os, old).ok_or_else(|| {
        Stop::Unresolved(format!(
            "its `OS` tag says `{os}`, and no parameter is known for images like `{}` on {}: use `ami-parameter`",
            old.name, old.architecture
        ))
    })
}

/// The public parameter of the family that the `OS` tag names, when the image in use is one of that family. A GPU image
/// under `OS` = `al2023` has none: its hosts must not end on the plain image.
fn family_parameter(os: &str, old: &Image) -> Option<ParameterName> {
    let (name, architecture) = (old.name.as_str(), old.architecture.as_str());
    let amazon_linux = |family: &str, prefix: &str| {
        let arm = match architecture {
            "x86_64" => "",
            "arm64" => "arm64/",
            _ => return None,
        };
        name.starts_with(prefix).then(|| format!("/aws/service/ecs/optimized-ami/{family}/{arm}recommended/image_id"))
    };
    let parameter = match os.trim().to_ascii_lowercase().as_str() {
        "al2023" => amazon_linux("amazon-linux-2023", "al2023-ami-ecs-hvm-"),
        "al2" => amazon_linux("amazon-linux-2", "amzn2-ami-ecs-hvm-"),
        "bottlerocket" => bottlerocket_variant(name)
            .map(|variant| format!("/aws/service/bottlerocket/{variant}/{architecture}/latest/image_id")),
        "windows" => windows_flavour(name).map(|flavour| format!("/aws/service/ami-windows-latest/{flavour}/image_id")),
        _ => None,
    };
    parameter.map(ParameterName::new)
}

/// `bottlerocket-aws-ecs-2-nvidia-x86_64-v1.20.0-abc` → `aws-ecs-2-nvidia`
fn bottlerocket_variant(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("bottlerocket-")?;
    let end = rest.find("-x86_64-v").or_else(|| rest.find("-aarch64-v"))?;
    rest[..end].starts_with("aws-ecs-").then_some(&rest[..end])
}

/// `Windows_Server-2022-English-Full-ECS_Optimized-2026.01.14` → without the date
fn windows_flavour(name: &str) -> Option<&str> {
    const END: &str = "-ECS_Optimized";
    let end = name.find(END)? + END.len();
    name.starts_with("Windows_Server-").then_some(&name[..end])
}

fn image_id(parameter: &ParameterName, value: &str) -> Result<AmiId, Stop> {
    let value = value.trim();
    let is_id =
        value.strip_prefix("ami-").is_some_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()));
    if is_id {
        return Ok(AmiId::from(value));
    }
    let shown: String = value.chars().take(40).collect();
    Err(Stop::Unresolved(format!("parameter {parameter} holds `{shown}`, which is no AMI id")))
}

fn check(parameter: &ParameterName, old: &Image, new: &Image, allow_older: bool) -> Result<(), Stop> {
    let refuse = |why: String| Err(Stop::Unresolved(format!("parameter {parameter} names {}, which {why}", new.id)));
    if new.state != "available" {
        return refuse(format!("is not available but {}", new.state));
    }
    if new.architecture != old.architecture {
        return refuse(format!("is for {}, and the group runs {}", new.architecture, old.architecture));
    }
    if new.windows != old.windows {
        return refuse("is for another platform than the group runs".to_owned());
    }
    if !allow_older && matches!((new.created, old.created), (Some(new), Some(old)) if new < old) {
        return refuse(format!("is older than {}, which the template names: set `allow-older` to go back", old.id));
    }
    Ok(())
}

/// What is to be written next so that the group's next instance launches with its release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateStep {
    Look(Look),
    Make,
    /// An equal version exists already.
    Use(u64),
}

/// Called only while the release is not in use.
pub fn template_step(view: &ClusterView, release: &Release<'_>) -> TemplateStep {
    let key = (release.spec.template.clone(), release.image.clone());
    let look = Look::Made(key.0.clone(), key.1.clone());
    let Some(made) = view.made.get(&key) else { return TemplateStep::Look(look) };
    let description = release.description();
    let newest =
        made.iter().filter(|version| version.description.as_deref() == Some(&description)).max_by_key(|v| v.number);
    match (newest, release.spec.rule) {
        (Some(version), VersionRule::Default | VersionRule::Number(_)) => TemplateStep::Use(version.number),
        // With `$Latest` a version of ours that were the newest would be in use: this one no longer is.
        (Some(_), VersionRule::Latest) | (None, _) => TemplateStep::Make,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, architecture: &str) -> Image {
        Image {
            id: "ami-1".into(),
            name: name.to_owned(),
            architecture: architecture.to_owned(),
            windows: false,
            state: "available".to_owned(),
            created: None,
        }
    }

    #[test]
    fn a_family_has_a_parameter_for_each_architecture() {
        for (os, name, architecture, parameter) in [
            (
                "al2023",
                "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-x86_64",
                "x86_64",
                "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
            ),
            (
                "al2023",
                "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-arm64",
                "arm64",
                "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id",
            ),
            (
                "AL2",
                "amzn2-ami-ecs-hvm-2.0.20260101-arm64-ebs",
                "arm64",
                "/aws/service/ecs/optimized-ami/amazon-linux-2/arm64/recommended/image_id",
            ),
            (
                "bottlerocket",
                "bottlerocket-aws-ecs-2-nvidia-aarch64-v1.20.0-abc",
                "arm64",
                "/aws/service/bottlerocket/aws-ecs-2-nvidia/arm64/latest/image_id",
            ),
            (
                "windows",
                "Windows_Server-2022-English-Full-ECS_Optimized-2026.01.14",
                "x86_64",
                "/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-ECS_Optimized/image_id",
            ),
        ] {
            assert_eq!(family_parameter(os, &named(name, architecture)), Some(parameter.into()), "{name}");
        }
    }

    #[test]
    fn an_image_of_another_family_has_no_parameter() {
        for (os, name) in [
            ("al2023", "al2023-ami-ecs-gpu-hvm-2023.0.20260101-kernel-6.1-x86_64-ebs"),
            ("al2", "amzn2-ami-ecs-kernel-5.10-hvm-2.0.20260101-x86_64-ebs"),
            ("al2", "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-x86_64"),
            ("bottlerocket", "my-bottlerocket-aws-ecs-2-x86_64-v1"),
            ("windows", "my-Windows_Server-2022-English-Full-ECS_Optimized-2026.01.14"),
            ("beos", "al2023-ami-ecs-hvm-2023.0.20260101-kernel-6.1-x86_64"),
        ] {
            assert_eq!(family_parameter(os, &named(name, "x86_64")), None, "{os} {name}");
        }
    }

    #[test]
    fn only_an_image_id_is_taken_for_one() {
        let parameter = ParameterName::from("/p");
        assert!(matches!(image_id(&parameter, " ami-0abc\n"), Ok(id) if id.as_str() == "ami-0abc"));
        for value in ["", "ami-", "ami-0abc ami-1", r#"{"image_id":"ami-0abc"}"#, "AMI-1"] {
            assert!(image_id(&parameter, value).is_err(), "{value}");
        }
    }
}
