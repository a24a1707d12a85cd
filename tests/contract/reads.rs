//! Single looks: images, parameters, services, tasks.

use std::collections::BTreeSet;

use aws_sdk_ecs::types as ecs;
use aws_sdk_ssm::types::ParameterType;
use ecs_rotator::effect::{
    DesiredStatus, FailureKind, Image, ImagePattern, ImageQuery, ParameterKind, Reply, Request, Service,
};
use ecs_rotator::id::{AmiId, ParameterName};

use crate::account::{ACCOUNT, CLUSTER, REGION, config};
use crate::requests::{Hand, aws};

/// Who owns the ECS images in moto's stock (which has no owner aliases).
const AMAZON: &str = "591542846629";

async fn images(hand: &Hand, query: ImageQuery) -> Vec<Image> {
    match hand.aws.perform(Request::DescribeImages { query, page: None }).await {
        Ok(Reply::Images { images, next: None }) => images,
        other => panic!("images are described: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_are_found_by_id_or_by_name_and_owner() {
    let Some(hand) = Hand::open("images").await else { return };
    let (old, new): (AmiId, AmiId) = (hand.account.old_image.as_str().into(), hand.account.new_image.as_str().into());
    let named = |owner: &str| {
        let name = "al2023-ami-ecs-hvm-2023.0.2026*-x86_64".to_owned();
        ImageQuery::Named(ImagePattern { owners: vec![owner.to_owned()], name })
    };
    let found = images(&hand, named(AMAZON)).await;
    let ids: BTreeSet<_> = found.iter().map(|image| &image.id).collect();
    assert!(ids.contains(&old) && ids.contains(&new), "{ids:?}");
    for image in &found {
        assert!(
            image.name.starts_with("al2023-ami-ecs-hvm-2023.0.2026") && image.name.ends_with("x86_64"),
            "{image:?}"
        );
        assert_eq!((image.owner.as_str(), image.architecture.as_str()), (AMAZON, "x86_64"));
        assert_eq!((image.virtualization.as_str(), image.root_device.as_deref()), ("hvm", Some("/dev/xvda")));
        assert!(image.created.is_some() && !image.windows);
    }
    assert!(images(&hand, named("self")).await.is_empty(), "nobody here owns images of that name");

    let ids = ImageQuery::Ids(vec![old.clone(), "ami-00000000000000000".into()]);
    let known: Vec<_> = images(&hand, ids).await.into_iter().map(|image| image.id).collect();
    assert_eq!(known, [old], "one that does not exist is missing, and no error");
}

/// moto says no selectors, and would make a parameter that is not there; ministack does as SSM does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_answer_to_the_name_they_were_asked_by() {
    let Some(hand) = Hand::open("parameters").await else { return };
    for (endpoint, faithful) in [(hand.emulators.fleet_url(), false), (hand.emulators.sqs_url(), true)] {
        let ssm = aws_sdk_ssm::Client::new(&config(endpoint.clone(), "testing").await);
        let aws = aws(endpoint).await;
        let put = |name: &str, value: &str, kind: ParameterType| {
            ssm.put_parameter().name(name).value(value).r#type(kind).overwrite(true).send()
        };
        for value in ["ami-1", "ami-2"] {
            put("/golden/a", value, ParameterType::String).await.expect("a parameter is put");
        }
        put("/golden/secret", "ami-3", ParameterType::SecureString).await.expect("a secret is put");
        put("/golden/list", "ami-4,ami-5", ParameterType::StringList).await.expect("a list is put");
        let label = ssm.label_parameter_version().name("/golden/a").parameter_version(1).labels("stable");
        label.send().await.expect("a version is labelled");

        let arn = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/golden/a");
        let mut asked = vec![
            ("/golden/a", Some("ami-2")),
            ("/golden/a:1", Some("ami-1")),
            (arn.as_str(), Some("ami-2")),
            ("/golden/list", Some("ami-4,ami-5")),
            ("/golden/none", None),
            ("/golden/a:9", None),
        ];
        if faithful {
            asked.push(("/golden/a:stable", Some("ami-1")));
        }
        let names = asked.iter().map(|(name, _)| ParameterName::from(*name)).collect();
        let Ok(Reply::Parameters { values, invalid }) = aws.perform(Request::GetParameters { names }).await else {
            panic!("parameters are read")
        };
        for (name, expected) in asked {
            let found = values.get(&name.into());
            assert_eq!(found.map(|of| of.value.as_str()), expected, "{name} (faithful: {faithful})");
            assert_eq!(invalid.contains(&name.into()), expected.is_none(), "{name} (faithful: {faithful})");
        }
        assert_eq!(values[&"/golden/list".into()].kind, ParameterKind::StringList);
        assert!(values[&"/golden/a".into()].modified.is_some());

        let read = async |name: &str| match aws.perform(Request::GetParameters { names: vec![name.into()] }).await {
            Ok(Reply::Parameters { mut values, .. }) => values.remove(&name.into()).expect("it is there"),
            other => panic!("a parameter is read: {other:?}"),
        };
        let secret = read("/golden/secret").await;
        assert_eq!(secret.kind, ParameterKind::SecureString);
        assert_ne!(secret.value, "ami-3", "nobody asked to decrypt it");

        for data_type in [None, Some("text".to_owned())] {
            let name = "/golden/a".into();
            let write = Request::PutParameter { name, image: "ami-9".into(), data_type };
            assert_eq!(aws.perform(write).await, Ok(Reply::Done));
            let written = read("/golden/a").await;
            assert_eq!((written.value.as_str(), written.kind), ("ami-9", ParameterKind::String));
            assert_eq!(written.data_type.as_deref(), Some("text"));
        }
        if faithful {
            let name = "/golden/none".into();
            let write = Request::PutParameter { name, image: "ami-9".into(), data_type: None };
            let refused = aws.perform(write).await.expect_err("a new parameter is none of ours");
            assert_eq!(refused.kind, FailureKind::NotFound, "{refused}");
        }
    }
}

async fn create_service(
    client: &aws_sdk_ecs::Client,
    name: &str,
    change: impl FnOnce(
        aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder,
    ) -> aws_sdk_ecs::operation::create_service::builders::CreateServiceFluentBuilder,
) {
    let service = client.create_service().cluster(CLUSTER).service_name(name).task_definition("web").desired_count(0);
    change(service).send().await.expect("a service is created");
}

/// Without tasks: moto places none, and ministack would in containers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_told_with_their_percents() {
    let Some(hand) = Hand::open("services").await else { return };
    let other = aws_sdk_ecs::Client::new(&config(hand.emulators.sqs_url(), "testing").await);
    other.create_cluster().cluster_name(CLUSTER).send().await.expect("a cluster is created");
    let plain = Service {
        name: "web".to_owned(),
        desired: 0,
        running: 0,
        daemon: false,
        minimum_healthy_percent: 100,
        maximum_percent: 200,
        fargate: false,
        distinct: false,
        events: Vec::new(),
    };
    for (client, endpoint, knows_percents) in
        [(&hand.account.ecs, hand.emulators.fleet_url(), false), (&other, hand.emulators.sqs_url(), true)]
    {
        create_service(client, "web", |service| service).await;
        create_service(client, "far", |service| service.launch_type(ecs::LaunchType::Fargate)).await;
        create_service(client, "agent", |service| service.scheduling_strategy(ecs::SchedulingStrategy::Daemon)).await;
        let half = ecs::DeploymentConfiguration::builder().minimum_healthy_percent(50).maximum_percent(100).build();
        create_service(client, "half", |service| service.deployment_configuration(half)).await;

        let aws = aws(endpoint).await;
        let cluster = hand.account.cluster_arn.as_str();
        let list = Request::ListServices { cluster: cluster.into(), page: None };
        let Ok(Reply::ServiceArns { mut arns, next: None }) = aws.perform(list).await else {
            panic!("services are listed")
        };
        assert_eq!(arns.len(), 4);
        arns.push(format!("arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/none").into());
        let describe = Request::DescribeServices { cluster: cluster.into(), arns };
        let Ok(Reply::Services { mut services, failures }) = aws.perform(describe).await else {
            panic!("services are described")
        };
        assert_eq!(failures[0].reason, "MISSING");
        services.sort_by(|one, other| one.name.cmp(&other.name));
        // What an emulator's scheduler says is its own business.
        services.iter_mut().for_each(|service| service.events.clear());
        let [agent, far, half, web] = &services[..] else { panic!("four services: {services:?}") };
        assert_eq!(*web, plain);
        assert_eq!(*far, Service { name: "far".to_owned(), fargate: true, ..plain.clone() });
        assert_eq!((agent.daemon, half.daemon), (true, false));
        if knows_percents {
            assert_eq!((half.minimum_healthy_percent, half.maximum_percent), (50, 100));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_tasks_of_a_cluster_are_listed_by_host_or_together() {
    let Some(hand) = Hand::open("tasks").await else { return };
    let account = &hand.account;
    for machine in account.members().await["web"].iter().take(2) {
        let identity = serde_json::json!({ "instanceId": machine }).to_string();
        let register = account.ecs.register_container_instance().cluster(CLUSTER);
        register.instance_identity_document(identity).send().await.expect("a host registers");
    }
    let hosts: Vec<String> = account.hosts().await.into_keys().collect();
    for host in &hosts {
        let start = account.ecs.start_task().cluster(CLUSTER).task_definition("web").container_instances(host);
        start.send().await.expect("a task starts");
    }
    let cluster = || account.cluster_arn.as_str().into();
    let list = async |host: Option<&str>| {
        let container_instance = host.map(Into::into);
        let request =
            Request::ListTasks { cluster: cluster(), container_instance, desired: DesiredStatus::Running, page: None };
        match hand.aws.perform(request).await {
            Ok(Reply::TaskArns { arns, next: None }) => arns,
            other => panic!("tasks are listed: {other:?}"),
        }
    };
    let all = list(None).await;
    assert_eq!(all.len(), 2);
    assert_eq!(list(Some(&hosts[0])).await.len(), 1);

    // moto does not know the call; ministack knows it, and protects nobody.
    let ask = || Request::GetTaskProtection { cluster: cluster(), arns: all.clone() };
    let unknown = hand.aws.perform(ask()).await.expect_err("moto does not know this call");
    assert_eq!(unknown.operation, "GetTaskProtection");
    assert_eq!(aws(hand.emulators.sqs_url()).await.perform(ask()).await, Ok(Reply::ProtectedTasks(Vec::new())));
}
