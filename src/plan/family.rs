//! Of which family an image is, and which public parameter names the newest image of that family.
//!
//! The map is data: `families.json` beside this file, in the shape that configuration has too. An entry says whose images
//! it is about (`owners`), what they are called (`image`, a regular expression for the whole name), and where the id of
//! the newest one stands, for each architecture. What a named group of `image` holds may be used in a parameter as
//! `{group}`, so that one entry serves all variants of Bottlerocket, each of them a family of its own.
//!
//! The image's own architecture picks the parameter. Where the name speaks of an architecture too, both must agree, and an
//! architecture without a parameter is unknown rather than guessed: a host that is left alone is reported, one that comes
//! back as another kind of machine breaks its tasks.
//!
//! Anybody can give an image of theirs the name of a stock one, so a name counts only with its owner. Where an operator
//! vouches for the group by its tag `OS`, the name is enough: copies of stock images keep it.

mod entry;
mod kind;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

pub use entry::BadFamilies;
pub use kind::Recognised;

use super::family::kind::{Architecture, Family};
use crate::id::ParameterName;

/// The families, in the order they are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Families(Arc<[Family]>);

impl Default for Families {
    fn default() -> Self {
        Self::built_in()
    }
}

impl Families {
    /// The images that AWS publishes for ECS.
    pub fn built_in() -> Self {
        static BUILT_IN: LazyLock<Families> = LazyLock::new(|| {
            let none = Families(Arc::from([]));
            none.with(include_str!("families.json")).unwrap_or_else(|bad| unreachable!("families.json: {bad}"))
        });
        BUILT_IN.clone()
    }

    /// Adds a JSON array of entries, which are tried before the others. An entry with the name of a known family replaces
    /// it; what it leaves out it has from there, and `"parameters": {}` switches the family off.
    pub fn with(&self, json: &str) -> Result<Self, BadFamilies> {
        let families = entry::read_all(json, &self.0)?;
        let kept = self.0.iter().filter(|old| families.iter().all(|new| new.name != old.name)).cloned();
        let kept: Vec<Family> = kept.collect();
        Ok(Self(families.into_iter().chain(kept).collect()))
    }

    /// The family of an image that has these names for its owner: the account id, and the alias if there is one.
    pub fn recognise(&self, name: &str, owners: &[&str], architecture: &str) -> Option<Recognised> {
        let theirs = self.0.iter().filter(|family| owners.iter().any(|owner| family.owners.contains(*owner)));
        first(theirs, name, architecture)
    }

    /// The same for an image whose owner need not be asked, as an operator says by the tag `OS` what it is: a system, or
    /// the name of a family. The image must still be called like one.
    pub fn of_os(&self, os: &str, name: &str, architecture: &str) -> Option<Recognised> {
        let word = os.trim().to_ascii_lowercase();
        first(self.0.iter().filter(|family| family.os == word || family.name == word), name, architecture)
    }

    /// The family that this word of the tag `OS` means, whatever the image is called: where there is only one, and nothing in
    /// its parameter hangs on the name. For an image that is no more, and so has no name.
    pub fn only_of_os(&self, os: &str, architecture: &str) -> Option<Recognised> {
        let (word, architecture) = (os.trim().to_ascii_lowercase(), Architecture::of_word(architecture)?);
        let mut meant = self.0.iter().filter(|family| family.os == word || family.name == word);
        let (Some(family), None) = (meant.next(), meant.next()) else { return None };
        let parameter = family.parameters.get(&architecture).filter(|parameter| !parameter.contains('{'))?;
        Some(Recognised { family: family.name.clone(), parameter: ParameterName::new(parameter.as_str()) })
    }

    /// The family by the name alone: for telling apart images that an operator has chosen by their names.
    pub fn by_name(&self, name: &str, architecture: &str) -> Option<Recognised> {
        first(self.0.iter(), name, architecture)
    }

    /// The words that the tag `OS` may have.
    pub fn words(&self) -> BTreeSet<&str> {
        let on = self.0.iter().filter(|family| !family.parameters.is_empty());
        on.flat_map(|family| [family.os.as_str(), family.name.as_str()]).collect()
    }
}

fn first<'a>(mut families: impl Iterator<Item = &'a Family>, name: &str, architecture: &str) -> Option<Recognised> {
    let architecture = Architecture::of_word(architecture)?;
    families.find_map(|family| family.recognise(name, architecture))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNERS: [&str; 2] = ["591542846629", "amazon"];

    /// Family, architecture, parameter and name.
    const AMAZON_LINUX: &str = "\
        al2023              x86_64 amazon-linux-2023/                al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64
        al2023              x86_64 amazon-linux-2023/                al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.12-x86_64
        al2023              arm64  amazon-linux-2023/arm64/          al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-arm64
        al2023              arm64  amazon-linux-2023/arm64/          al2023-ami-ecs-hvm-2023.0.20260113.1-kernel-6.1-arm64-ebs
        al2023-gpu          x86_64 amazon-linux-2023/gpu/            al2023-ami-ecs-gpu-hvm-2023.0.20260113-kernel-6.1-x86_64-ebs
        al2023-gpu          x86_64 amazon-linux-2023/gpu/            al2023-ami-ecs-gpu-hvm-2023.0.20260113-kernel-6.12-x86_64
        al2023-neuron       x86_64 amazon-linux-2023/neuron/         al2023-ami-ecs-neuron-hvm-2023.0.20260113-kernel-6.1-x86_64
        al2                 x86_64 amazon-linux-2/                   amzn2-ami-ecs-hvm-2.0.20260113-x86_64-ebs
        al2                 x86_64 amazon-linux-2/                   amzn2-ami-ecs-hvm-2.0.20211103.1-x86_64
        al2                 arm64  amazon-linux-2/arm64/             amzn2-ami-ecs-hvm-2.0.20260113-arm64-ebs
        al2-gpu             x86_64 amazon-linux-2/gpu/               amzn2-ami-ecs-gpu-hvm-2.0.20260113-x86_64-ebs
        al2-inf             x86_64 amazon-linux-2/inf/               amzn2-ami-ecs-inf-hvm-2.0.20260113-x86_64-ebs
        al2-kernel-5.10     x86_64 amazon-linux-2/kernel-5.10/       amzn2-ami-ecs-kernel-5.10-hvm-2.0.20260113-x86_64-ebs
        al2-kernel-5.10     arm64  amazon-linux-2/kernel-5.10/arm64/ amzn2-ami-ecs-kernel-5.10-hvm-2.0.20260113-arm64-ebs
        al2-kernel-5.10-gpu x86_64 amazon-linux-2/kernel-5.10/gpu/   amzn2-ami-ecs-kernel-5.10-gpu-hvm-2.0.20260113-x86_64-ebs
        al2-kernel-5.10-inf x86_64 amazon-linux-2/kernel-5.10/inf/   amzn2-ami-ecs-kernel-5.10-inf-hvm-2.0.20260113-x86_64-ebs";

    /// `(os, name, architecture, family, parameter)`: what AWS publishes.
    fn images() -> Vec<(&'static str, String, &'static str, String, String)> {
        let mut images = Vec::new();
        for row in AMAZON_LINUX.lines() {
            let [family, architecture, parameter, name] = row.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{row}")
            };
            let os = family.split('-').next().unwrap();
            let parameter = format!("/aws/service/ecs/optimized-ami/{parameter}recommended/image_id");
            images.push((os, name.to_owned(), architecture, family.to_owned(), parameter));
        }
        for flavour in ["", "-nvidia", "-fips", "-nvidia-fips"] {
            for (number, said, architecture) in
                [(1, "x86_64", "x86_64"), (2, "x86_64", "x86_64"), (2, "aarch64", "arm64"), (3, "aarch64", "arm64")]
            {
                let variant = format!("aws-ecs-{number}{flavour}");
                let name = format!("bottlerocket-{variant}-{said}-v1.42.0-5ed15786");
                let parameter = format!("/aws/service/bottlerocket/{variant}/{architecture}/latest/image_id");
                images.push(("bottlerocket", name, architecture, format!("bottlerocket {variant}"), parameter));
            }
        }
        for edition in ["2016-Full", "2019-Full", "2019-Core", "2022-Full", "2022-Core", "2025-Full", "2025-Core"] {
            let flavour = format!("Windows_Server-{}-ECS_Optimized", edition.replace('-', "-English-"));
            let parameter = format!("/aws/service/ami-windows-latest/{flavour}/image_id");
            let name = format!("{flavour}-2026.01.14");
            images.push(("windows", name, "x86_64", format!("windows {flavour}"), parameter));
        }
        images
    }

    #[test]
    fn a_word_that_means_one_family_needs_no_name() {
        let families = Families::built_in();
        let parameter = |os: &str, architecture: &str| {
            families.only_of_os(os, architecture).map(|found| found.parameter.as_str().to_owned())
        };
        let gpu = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id";
        assert_eq!(parameter(" AL2023-GPU ", "x86_64").as_deref(), Some(gpu));
        for (os, architecture) in [
            ("al2023", "x86_64"),
            ("windows", "x86_64"),
            ("bottlerocket", "arm64"),
            ("al2023-gpu", "arm64"),
            ("beos", "x86_64"),
        ] {
            assert_eq!(parameter(os, architecture), None, "{os} {architecture}");
        }
    }

    #[test]
    fn every_published_image_has_its_family_and_parameter() {
        let families = Families::built_in();
        for (os, name, architecture, family, parameter) in images() {
            let expected = Some(Recognised { family, parameter: parameter.into() });
            assert_eq!(families.recognise(&name, &OWNERS, architecture), expected, "{name}");
            assert_eq!(families.recognise(&name, &["amazon"], architecture), expected, "{name}");
            assert_eq!(families.of_os(os, &name, architecture), expected, "{name}");
        }
    }

    #[test]
    fn every_parameter_of_the_map_is_for_some_image_and_no_image_is_of_two_families() {
        let families = Families::built_in();
        let mut untested: BTreeSet<_> =
            families.0.iter().flat_map(|f| f.parameters.keys().map(|a| (&f.name, *a))).collect();
        for (_, name, architecture, ..) in images() {
            let of: Vec<&Family> = families.0.iter().filter(|family| family.image.regex.is_match(&name)).collect();
            assert_eq!(of.len(), 1, "{name}: {of:?}");
            untested.remove(&(&of[0].name, Architecture::of_word(architecture).unwrap()));
        }
        assert_eq!(untested, BTreeSet::new());
        for parameter in families.0.iter().flat_map(|family| family.parameters.values()) {
            assert!(parameter.starts_with("/aws/service/") && parameter.ends_with("/image_id"), "{parameter}");
        }
    }

    #[test]
    fn what_only_looks_like_a_published_image_is_of_no_family() {
        for (name, architecture) in [
            ("my-al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64", "x86_64"),
            ("al2023-ami-2023.6.20260113.0-kernel-6.1-x86_64", "x86_64"),
            ("al2023-ami-minimal-2023.6.20260113.0-kernel-6.1-x86_64", "x86_64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64-beta", "x86_64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64-ebs2", "x86_64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64\n", "x86_64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-beta-kernel-6.1-x86_64", "x86_64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-x86_64", "x86_64"),
            ("AL2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64", "x86_64"),
            ("unofficial-amzn2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64", "x86_64"),
            // No parameter is known for these.
            ("al2023-ami-ecs-gpu-hvm-2023.0.20260113-kernel-6.1-arm64-ebs", "arm64"),
            ("al2023-ami-ecs-neuron-hvm-2023.0.20260113-kernel-6.1-arm64", "arm64"),
            ("al2023-ami-ecs-fpga-hvm-2023.0.20260113-kernel-6.1-x86_64", "x86_64"),
            ("amzn2-ami-ecs-gpu-hvm-2.0.20260113-arm64-ebs", "arm64"),
            ("amzn2-ami-ecs-inf-hvm-2.0.20260113-arm64-ebs", "arm64"),
            ("amzn2-ami-ecs-kernel-5.10-gpu-hvm-2.0.20260113-arm64-ebs", "arm64"),
            ("amzn2-ami-ecs-kernel-5.10-inf-hvm-2.0.20260113-arm64-ebs", "arm64"),
            ("amzn2-ami-ecs-kernel-5.15-hvm-2.0.20260113-x86_64-ebs", "x86_64"),
            ("amzn2-ami-ecs-kernel-5110-hvm-2.0.20260113-x86_64-ebs", "x86_64"),
            ("amzn2-ami-ecs-kepler-gpu-hvm-2.0.20260113-x86_64-ebs", "x86_64"),
            ("amzn-ami-2018.03.20260113-amazon-ecs-optimized", "x86_64"),
            ("amzn2-ami-hvm-2.0.20260113-x86_64-ebs", "x86_64"),
            // The name and the image contradict each other, or the image is for what the family is not made for.
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64", "arm64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-arm64", "x86_64"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64", "x86_64_mac"),
            ("al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-x86_64", ""),
            ("amzn2-ami-ecs-hvm-2.0.20260113-x86_64-ebs", "i386"),
            ("bottlerocket-aws-ecs-2-aarch64-v1.42.0-5ed15786", "x86_64"),
            ("bottlerocket-aws-ecs-2-x86_64-v1.42.0-5ed15786", "arm64"),
            ("Windows_Server-2022-English-Full-ECS_Optimized-2026.01.14", "arm64"),
            ("bottlerocket-aws-k8s-1.31-x86_64-v1.2-abc", "x86_64"),
            ("bottlerocket-aws-ecs-2-fips-nvidia-x86_64-v1.42.0-5ed15786", "x86_64"),
            ("bottlerocket-aws-ecs-2-debug-x86_64-v1.42.0-5ed15786", "x86_64"),
            ("bottlerocket-aws-ecs-2-x86_64-v1.42.0-5ed15786-patched", "x86_64"),
            ("bottlerocket-aws-ecs-2-x86_64", "x86_64"),
            ("Windows_Server-2022-English-Full-Base-2026.01.14", "x86_64"),
            ("Windows_Server-2022-English-Full-EKS_Optimized-1.31-2026.01.14", "x86_64"),
            ("Windows_Server-2016-English-Core-ECS_Optimized-2026.01.14", "x86_64"),
            ("Windows_Server-2004-English-Core-ECS_Optimized-2021.01.13", "x86_64"),
            ("Windows_Server-2022-German-Full-ECS_Optimized-2026.01.14", "x86_64"),
            ("Windows_Server-2022-English-Full-ECS_Optimized-2026.01.14-copy", "x86_64"),
            ("Windows_Server-2022-English-Full-ECS_Optimized", "x86_64"),
            ("", "x86_64"),
        ] {
            assert_eq!(Families::built_in().recognise(name, &OWNERS, architecture), None, "{name} {architecture}");
        }
    }

    #[test]
    fn a_name_counts_only_with_its_owner_unless_an_operator_vouches_for_it() {
        let families = Families::built_in();
        for (os, name, architecture, ..) in images() {
            for owners in [&["123456789012"][..], &["123456789012", "aws-marketplace"], &["591542846629"], &[]] {
                assert_eq!(families.recognise(&name, owners, architecture), None, "{name} {owners:?}");
            }
            assert!(families.of_os(os, &name, architecture).is_some(), "{name}");
        }
    }

    #[test]
    fn the_tag_os_names_a_system_or_a_family_that_the_image_must_be_of() {
        let families = Families::built_in();
        let gpu = "al2023-ami-ecs-gpu-hvm-2023.0.20260113-kernel-6.1-x86_64-ebs";
        for (os, family) in [
            ("al2023", Some("al2023-gpu")),
            (" AL2023\n", Some("al2023-gpu")),
            ("Al2023-GPU", Some("al2023-gpu")),
            ("al2023-neuron", None),
            ("al2", None),
            ("al2-gpu", None),
            ("bottlerocket", None),
            ("beos", None),
            ("", None),
        ] {
            let found = families.of_os(os, gpu, "x86_64").map(|found| found.family);
            assert_eq!(found.as_deref(), family, "{os}");
        }
        assert_eq!(families.of_os("al2023", &format!("my-{gpu}"), "x86_64"), None);
        assert_eq!(families.of_os("al2023", gpu, "arm64"), None);
        let words = families.words();
        for word in ["al2", "al2023", "bottlerocket", "windows", "al2023-gpu", "al2-kernel-5.10-inf"] {
            assert!(words.contains(word), "{word} in {words:?}");
        }
    }

    #[test]
    fn configuration_adds_families_and_its_own_are_tried_first() {
        let families = Families::built_in()
            .with(
                r#"[{"name": "golden", "os": "golden-linux", "owners": ["123456789012", "self"],
                     "image": "golden-(?<team>[^-]+)-v(?<version>\\d+)(-amazon)?|amzn2-ami-ecs-hvm-.*",
                     "parameters": {"x86_64": "/golden/{team}", "arm64": "/golden/arm64/{team}"}},
                    {"name": "pinned", "os": "al2", "owners": ["amazon"], "image": "amzn2-ami-ecs-hvm-2[.]0[.]2024.*",
                     "parameters": {"x86_64": "/pinned"}}]"#,
            )
            .unwrap();
        let found = |name: &str, owner, architecture| {
            let found = families.recognise(name, &[owner], architecture)?;
            Some((found.family, found.parameter.to_string()))
        };
        let golden = |family: &str, parameter: &str| Some((family.to_owned(), parameter.to_owned()));
        assert_eq!(found("golden-web-v7", "123456789012", "x86_64"), golden("golden web", "/golden/web"));
        assert_eq!(found("golden-web-v8-amazon", "self", "arm64"), golden("golden web", "/golden/arm64/web"));
        for (name, owner) in [
            ("golden-web-v7", "amazon"),
            ("my-golden-web-v7", "self"),
            ("golden-web-v7-", "self"),
            ("my-amzn2-ami-ecs-hvm-2.0", "self"),
            ("golden-web-v7-arm64", "self"),
            // SSM would not have such a name.
            ("golden-web (old)-v7", "self"),
        ] {
            assert_eq!(found(name, owner, "x86_64"), None, "{name}");
        }
        let al2 = "amzn2-ami-ecs-hvm-2.0.20260113-x86_64-ebs";
        assert_eq!(found(al2, "self", "x86_64"), golden("golden", "/golden/"));
        assert_eq!(found(al2, "amazon", "x86_64").unwrap().0, "al2");
        assert_eq!(found(&al2.replace("2026", "2024"), "amazon", "x86_64"), golden("pinned", "/pinned"));
        let arm = al2.replace("20260113-x86_64", "20240113-arm64");
        assert_eq!(
            found(&arm, "amazon", "arm64").unwrap().0,
            "al2",
            "an entry without the architecture is passed over"
        );
        assert_eq!(families.of_os("Golden-Linux", "golden-web-v7", "x86_64").unwrap().family, "golden web");
        assert!(families.words().contains("golden") && families.words().contains("golden-linux"));
    }

    #[test]
    fn an_entry_with_a_known_name_replaces_that_family() {
        let name = "al2023-ami-ecs-hvm-2023.0.20260113-kernel-6.1-arm64";
        let parameter = |families: &Families, name, owner| {
            families.recognise(name, &[owner], "arm64").map(|found| found.parameter.to_string())
        };
        let whole = r#"[{"name": "al2023", "os": "mine", "owners": ["self"], "image": "mine-.*", "parameters": {"arm64": "/m"}}]"#;
        let families = Families::built_in().with(whole).unwrap();
        assert_eq!(parameter(&families, name, "amazon"), None);
        assert_eq!(parameter(&families, "mine-1", "self").as_deref(), Some("/m"));
        assert_eq!(families.0.len(), Families::built_in().0.len());

        let short = r#"[{"name": "al2023", "parameters": {"arm64": "/staged/al2023"}}]"#;
        let families = Families::built_in().with(short).unwrap();
        assert_eq!(parameter(&families, name, "amazon").as_deref(), Some("/staged/al2023"));
        assert_eq!(families.recognise(&name.replace("arm64", "x86_64"), &OWNERS, "x86_64"), None, "not merged");

        let off = Families::built_in().with(r#"[{"name": "windows", "parameters": {}}]"#).unwrap();
        assert_eq!(off.of_os("windows", "Windows_Server-2022-English-Full-ECS_Optimized-2026.01.14", "x86_64"), None);
        assert!(!off.words().contains("windows") && off.words().contains("al2"), "{:?}", off.words());
        let on = off.with(r#"[{"name": "windows", "parameters": {"x86_64": "/w"}}]"#).unwrap();
        assert!(on.words().contains("windows"));
    }

    #[test]
    fn maps_are_equal_when_their_entries_are_written_alike() {
        let built_in = Families::default();
        assert_eq!(built_in, built_in.with("[]").unwrap());
        assert_eq!(built_in, Families(Arc::from([])).with(include_str!("families.json")).unwrap());
        assert_ne!(built_in, built_in.with(r#"[{"name": "al2", "image": "amzn2-.*"}]"#).unwrap());
        assert_ne!(built_in, built_in.with(r#"[{"name": "al2", "parameters": {}}]"#).unwrap());
    }
}
