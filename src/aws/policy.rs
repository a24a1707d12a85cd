//! Changes a group's mixed-instances policy in the one place where it is to say something else.
//!
//! Auto Scaling takes the overrides of a policy as a whole: what is sent takes the place of what was there. So the policy is
//! read, changed here, and sent back, and all that nobody asked to change goes back as it came: instance types and
//! requirements, weights, other templates, other images, and the order, which is their priority. How it spreads over
//! On-Demand and Spot (`InstancesDistribution`) is left out, and stays.

use aws_sdk_autoscaling::types as asg;

use crate::effect::LaunchChange;
use crate::id::TemplateId;

/// What to send; None: there is nothing that says what is to be changed.
pub(super) fn changed(of: asg::LaunchTemplate, change: &LaunchChange) -> Option<asg::LaunchTemplate> {
    let mut found = false;
    let base = of.launch_template_specification.map(|base| spec(base, change, &mut found));
    let overrides = of.overrides.unwrap_or_default().into_iter().map(|own| changed_override(own, change, &mut found));
    let overrides: Vec<_> = overrides.collect();
    let overrides = Some(overrides).filter(|overrides| !overrides.is_empty());
    let sent = asg::LaunchTemplate::builder().set_launch_template_specification(base).set_overrides(overrides).build();
    found.then_some(sent)
}

fn changed_override(
    own: asg::LaunchTemplateOverrides,
    change: &LaunchChange,
    found: &mut bool,
) -> asg::LaunchTemplateOverrides {
    let image = match (own.image_id, change) {
        (Some(image), LaunchChange::Image { from, to }) if image == *from => {
            *found = true;
            Some(to.to_string())
        }
        (image, LaunchChange::Image { .. } | LaunchChange::Version { .. }) => image,
    };
    asg::LaunchTemplateOverrides::builder()
        .set_instance_type(own.instance_type)
        .set_weighted_capacity(own.weighted_capacity)
        .set_launch_template_specification(own.launch_template_specification.map(|of| spec(of, change, found)))
        .set_instance_requirements(own.instance_requirements.map(requirements))
        .set_image_id(image.filter(|image| !image.is_empty()))
        .build()
}

fn spec(
    mut of: asg::LaunchTemplateSpecification,
    change: &LaunchChange,
    found: &mut bool,
) -> asg::LaunchTemplateSpecification {
    if let LaunchChange::Version { template, from, to } = change
        && is(&of, template)
        && of.version == Some(from.to_string())
    {
        *found = true;
        of.version = Some(to.to_string());
    }
    // Auto Scaling describes both, and refuses to be told both.
    if of.launch_template_id.is_some() {
        of.launch_template_name = None;
    }
    of
}

/// By its id or by its name, whichever we know.
fn is(spec: &asg::LaunchTemplateSpecification, template: &TemplateId) -> bool {
    [&spec.launch_template_id, &spec.launch_template_name]
        .into_iter()
        .any(|of| of.as_deref() == Some(template.as_str()))
}

/// An empty list is described where nothing was said, and would be sent as a list of nothing.
fn requirements(mut of: asg::InstanceRequirements) -> asg::InstanceRequirements {
    of.cpu_manufacturers = some(of.cpu_manufacturers);
    of.excluded_instance_types = some(of.excluded_instance_types);
    of.allowed_instance_types = some(of.allowed_instance_types);
    of.instance_generations = some(of.instance_generations);
    of.local_storage_types = some(of.local_storage_types);
    of.accelerator_types = some(of.accelerator_types);
    of.accelerator_manufacturers = some(of.accelerator_manufacturers);
    of.accelerator_names = some(of.accelerator_names);
    of
}

fn some<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_id(id: &str, version: &str) -> asg::LaunchTemplateSpecification {
        asg::LaunchTemplateSpecification::builder().launch_template_id(id).version(version).build()
    }

    /// As Auto Scaling describes it.
    fn described(id: &str, version: &str) -> asg::LaunchTemplateSpecification {
        let spec = asg::LaunchTemplateSpecification::builder().launch_template_id(id);
        spec.launch_template_name(format!("name-of-{id}")).version(version).build()
    }

    fn policy(
        base: asg::LaunchTemplateSpecification,
        overrides: Vec<asg::LaunchTemplateOverrides>,
    ) -> asg::LaunchTemplate {
        let overrides = Some(overrides).filter(|overrides| !overrides.is_empty());
        asg::LaunchTemplate::builder().launch_template_specification(base).set_overrides(overrides).build()
    }

    fn of() -> asg::builders::LaunchTemplateOverridesBuilder {
        asg::LaunchTemplateOverrides::builder()
    }

    fn version(template: &str) -> LaunchChange {
        LaunchChange::Version { template: template.into(), from: 3, to: 4 }
    }

    #[test]
    fn a_version_is_changed_wherever_it_is_pinned_and_nowhere_else() {
        for (base, own, expected) in [
            (described("lt-1", "3"), described("lt-2", "3"), Some((by_id("lt-1", "4"), by_id("lt-2", "3")))),
            (described("lt-1", "3"), described("lt-1", "3"), Some((by_id("lt-1", "4"), by_id("lt-1", "4")))),
            (described("lt-1", "4"), described("lt-1", "3"), Some((by_id("lt-1", "4"), by_id("lt-1", "4")))),
            (
                described("lt-1", "$Default"),
                described("lt-1", "3"),
                Some((by_id("lt-1", "$Default"), by_id("lt-1", "4"))),
            ),
            (
                described("lt-1", "3"),
                described("lt-1", "$Latest"),
                Some((by_id("lt-1", "4"), by_id("lt-1", "$Latest"))),
            ),
            (described("lt-1", "4"), described("lt-1", "4"), None),
            (described("lt-1", "33"), described("lt-2", "3"), None),
        ] {
            let with = |base, own| {
                policy(base, vec![of().instance_type("m7g.large").launch_template_specification(own).build()])
            };
            let expected = expected.map(|(base, own)| with(base, own));
            assert_eq!(changed(with(base, own), &version("lt-1")), expected);
        }
    }

    #[test]
    fn a_template_is_known_by_its_name_too() {
        let named = |version: &str| {
            asg::LaunchTemplateSpecification::builder().launch_template_name("web").version(version).build()
        };
        assert_eq!(changed(policy(named("3"), vec![]), &version("web")), Some(policy(named("4"), vec![])));
        let both = described("lt-1", "3");
        assert_eq!(changed(policy(both, vec![]), &version("name-of-lt-1")), Some(policy(by_id("lt-1", "4"), vec![])));
    }

    #[test]
    fn what_nobody_asked_to_change_goes_back_as_it_came() {
        let needs = asg::InstanceRequirements::builder()
            .v_cpu_count(asg::VCpuCountRequest::builder().min(2).max(8).build())
            .excluded_instance_types("t3*")
            .build();
        let overrides = vec![
            of().instance_type("m5.large").weighted_capacity("2").build(),
            of().instance_type("m7g.large").weighted_capacity("1").image_id("ami-arm").build(),
            of().instance_requirements(needs).image_id("resolve:ssm:/golden").build(),
        ];
        let sent = changed(policy(described("lt-1", "3"), overrides.clone()), &version("lt-1"));
        assert_eq!(sent, Some(policy(by_id("lt-1", "4"), overrides)));
    }

    #[test]
    fn an_image_is_changed_in_every_override_that_brings_it() {
        let images = |images: [&str; 3]| images.iter().map(|image| of().image_id(*image).build()).collect();
        let change = LaunchChange::Image { from: "ami-1".to_owned(), to: "ami-2".into() };
        let before = policy(described("lt-1", "3"), images(["ami-1", "ami-arm", "ami-1"]));
        let after = policy(by_id("lt-1", "3"), images(["ami-2", "ami-arm", "ami-2"]));
        assert_eq!(changed(before, &change), Some(after.clone()));
        assert_eq!(changed(after, &change), None, "once is enough");
    }

    #[test]
    fn an_empty_list_is_not_sent() {
        let lists = |list: Option<Vec<String>>| {
            let needs = asg::InstanceRequirements::builder().set_allowed_instance_types(list.clone());
            let needs = needs.set_excluded_instance_types(list).build();
            policy(by_id("lt-1", "4"), vec![of().instance_requirements(needs).build()])
        };
        let mut described = lists(Some(Vec::new()));
        described.launch_template_specification = Some(by_id("lt-1", "3"));
        assert_eq!(changed(described, &version("lt-1")), Some(lists(None)));
        let mut bare = policy(by_id("lt-1", "3"), Vec::new());
        bare.overrides = Some(Vec::new());
        assert_eq!(changed(bare, &version("lt-1")).unwrap().overrides, None);
    }
}
