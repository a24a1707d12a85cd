//! What a group launches its instances from.

use aws_sdk_autoscaling::types as asg;

use crate::effect::{Launch, Override, TemplateSpec, VersionRule};
use crate::id::TemplateId;

/// A group has one of the three.
pub(super) fn launch(
    template: Option<asg::LaunchTemplateSpecification>,
    policy: Option<asg::MixedInstancesPolicy>,
    configuration: Option<String>,
) -> Launch {
    if let Some(policy) = policy {
        return mixed(policy).unwrap_or(Launch::Unknown);
    }
    if let Some(template) = template {
        return template_spec(template).map_or(Launch::Unknown, Launch::Template);
    }
    configuration.map_or(Launch::Unknown, Launch::Configuration)
}

fn mixed(policy: asg::MixedInstancesPolicy) -> Option<Launch> {
    let of = policy.launch_template?;
    let overrides = of.overrides.unwrap_or_default().into_iter().map(own);
    Some(Launch::Mixed {
        base: template_spec(of.launch_template_specification?)?,
        overrides: overrides.collect::<Option<_>>()?,
    })
}

/// None: it brings a template that cannot be told, which is not the same as none.
fn own(of: asg::LaunchTemplateOverrides) -> Option<Override> {
    let template = match of.launch_template_specification {
        Some(spec) => Some(template_spec(spec)?),
        None => None,
    };
    let image = of.image_id.filter(|image| !image.is_empty());
    let weight = of.weighted_capacity.and_then(|weight| weight.parse().ok());
    Some(Override { instance_type: of.instance_type, template, image, weight })
}

/// A template that is named by its name only keeps that name as its id (see [`super::id_or_name`]).
fn template_spec(spec: asg::LaunchTemplateSpecification) -> Option<TemplateSpec> {
    let template = TemplateId::new(spec.launch_template_id.or(spec.launch_template_name)?);
    Some(TemplateSpec { template, rule: version_rule(spec.version.as_deref())? })
}

/// A group without a version launches the default one.
fn version_rule(version: Option<&str>) -> Option<VersionRule> {
    match version {
        None | Some("" | "$Default") => Some(VersionRule::Default),
        Some("$Latest") => Some(VersionRule::Latest),
        Some(number) => number.parse().ok().map(VersionRule::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(version: Option<&str>) -> asg::LaunchTemplateSpecification {
        let spec = asg::LaunchTemplateSpecification::builder().launch_template_id("lt-1").launch_template_name("web");
        spec.set_version(version.map(str::to_owned)).build()
    }

    fn policy(overrides: Vec<asg::LaunchTemplateOverrides>) -> asg::MixedInstancesPolicy {
        let template = asg::LaunchTemplate::builder().launch_template_specification(spec(Some("3")));
        let template = template.set_overrides(Some(overrides)).build();
        asg::MixedInstancesPolicy::builder().launch_template(template).build()
    }

    fn plain(rule: VersionRule) -> TemplateSpec {
        TemplateSpec { template: "lt-1".into(), rule }
    }

    #[test]
    fn a_group_names_its_version_by_rule_or_by_number() {
        for (version, rule) in [
            (None, VersionRule::Default),
            (Some("$Default"), VersionRule::Default),
            (Some("$Latest"), VersionRule::Latest),
            (Some("7"), VersionRule::Number(7)),
        ] {
            assert_eq!(launch(Some(spec(version)), None, None), Launch::Template(plain(rule)));
        }
    }

    #[test]
    fn a_template_without_an_id_keeps_its_name() {
        let named = asg::LaunchTemplateSpecification::builder().launch_template_name("web").version("7").build();
        let expected = TemplateSpec { template: "web".into(), rule: VersionRule::Number(7) };
        assert_eq!(launch(Some(named), None, None), Launch::Template(expected));
    }

    #[test]
    fn what_cannot_be_told_is_unknown() {
        let unnamed = asg::LaunchTemplateSpecification::builder().version("1").build();
        let odd = asg::LaunchTemplateOverrides::builder().launch_template_specification(spec(Some("$Next"))).build();
        assert_eq!(launch(None, None, None), Launch::Unknown);
        assert_eq!(launch(Some(unnamed), None, None), Launch::Unknown);
        assert_eq!(launch(Some(spec(Some("$Next"))), None, None), Launch::Unknown);
        assert_eq!(launch(None, Some(asg::MixedInstancesPolicy::builder().build()), None), Launch::Unknown);
        assert_eq!(launch(None, Some(policy(vec![odd])), None), Launch::Unknown);
        assert_eq!(launch(None, None, Some("web-1".to_owned())), Launch::Configuration("web-1".to_owned()));
    }

    #[test]
    fn an_override_may_bring_its_own_template_and_image() {
        let of = asg::LaunchTemplateOverrides::builder;
        let none = Override { instance_type: None, template: None, image: None, weight: None };
        for (described, expected) in [
            (
                of().instance_type("m7g.large").build(),
                Override { instance_type: Some("m7g.large".to_owned()), ..none.clone() },
            ),
            (
                of().launch_template_specification(spec(Some("4"))).build(),
                Override { template: Some(plain(VersionRule::Number(4))), ..none.clone() },
            ),
            (of().image_id("ami-1").build(), Override { image: Some("ami-1".to_owned()), ..none.clone() }),
            (of().image_id("").build(), none.clone()),
            (of().weighted_capacity("4").build(), Override { weight: Some(4), ..none.clone() }),
        ] {
            let expected = Launch::Mixed { base: plain(VersionRule::Number(3)), overrides: vec![expected] };
            assert_eq!(launch(None, Some(policy(vec![described])), None), expected);
        }
    }
}
