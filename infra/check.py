#!/usr/bin/env python3
"""Checks what infra/ deploys, without an AWS account.

    python3 -m venv .venv && .venv/bin/pip install -r infra/requirements.txt
    .venv/bin/python infra/check.py

The template is linted, and deployed by the AWS command line on an emulator (ministack, on loopback). Then the rules as
they were deployed are asked about every event in events/, events go through the bus into the queue, and the worker's
own role is tried. What the emulator cannot show is written where the check is.
"""

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import botocore.session
from botocore.exceptions import ClientError

INFRA = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
TEMPLATE = INFRA / "worker.yaml"
REGION, ACCOUNT, STACK = "eu-west-1", "123456789012", "ecs-rotator"
PARAMETERS = [
    f"Clusters=arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod,arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/batch",
    "Subnets=subnet-0a1b2c3d,subnet-4e5f6a7b",
    "Image=ghcr.io/example/ecs-rotator:0.1.0",
    "NotificationEmail=ops@example.com",
]
QUEUE_RULES = ["HostsRule", "TasksRule", "ParametersRule", "LaunchesRule", "InstancesRule"]
RULES = [*QUEUE_RULES, "NewsRule"]
GIVEN_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:oncall"
# What is in the detail of an event for programs.
UNTOLD = {"version", "digest", "takes_seconds", "force"}
ALARMS = {"old-messages", "dead-letters", "undelivered", "no-worker", "rotation-held", "groups-skipped", "patch-age"}
# EventBridge's limit for a pattern, CloudFormation's for a template that is passed as text.
LONGEST_PATTERN, LONGEST_TEMPLATE = 2048, 51200
# How many cluster ARNs of 70 characters the description of the parameter promises.
PROMISED_CLUSTERS = 20

# To AWS the right to one of these is the right to its batch; the emulator asks for a `…Batch` that IAM does not know.
BATCHED = {"sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}

results = []


def check(name, good, why=""):
    results.append(bool(good))
    print(f"{'ok  ' if good else 'FAIL'} {name}" + (f": {why}" if why and not good else ""), flush=True)


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def tool(name, *arguments):
    done = run(BIN / name, *arguments, cwd=INFRA.parent)
    check(f"{name} {' '.join(arguments)}", done.returncode == 0, (done.stdout + done.stderr).strip())


# --- The emulator ---------------------------------------------------------------------------------------------------


class Emulator:
    """A ministack on a free port of loopback, with clients whose calls go there."""

    def __init__(self, auth=False, tls=False):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.home = tempfile.TemporaryDirectory()
        self.certificate = self.own_certificate() if tls else None
        environment = os.environ | {
            # Its own default is every interface; and IoT would listen on every one whatever this says.
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "AUTH": "true" if auth else "false",
            "TMPDIR": self.home.name,
        }
        if tls:
            environment |= {"USE_SSL": "1", "MINISTACK_SSL_CERT": self.certificate, "MINISTACK_SSL_KEY": f"{self.home.name}/key.pem"}
        self.log = open(Path(self.home.name) / "log", "w+")
        self.process = subprocess.Popen([BIN / "ministack"], env=environment, stdout=self.log, stderr=self.log,
                                        cwd=self.home.name, start_new_session=True)

    def own_certificate(self):
        # No authority (rustls takes none for a server), and trusted by itself.
        made = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", f"{self.home.name}/key.pem", "-out", f"{self.home.name}/cert.pem")
        if made.returncode != 0:
            raise SystemExit(f"openssl made no certificate: {made.stderr}")
        return f"{self.home.name}/cert.pem"

    def __enter__(self):
        trust = ssl.create_default_context(cafile=self.certificate)
        for _ in range(150):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1, context=trust).read()
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        self.log.seek(0)
        raise SystemExit(f"ministack did not start:\n{self.log.read()}")

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            # It waits for connections that a client keeps open.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()
        self.home.cleanup()

    def client(self, service, key="test", secret="test"):
        return botocore.session.Session().create_client(
            service, region_name=REGION, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret,
            verify=self.certificate)

    def deploy(self, *more):
        """The command of the README, but for the endpoint."""
        environment = os.environ | {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
        if self.certificate:
            environment["AWS_CA_BUNDLE"] = self.certificate
        return run(BIN / "aws", "--endpoint-url", self.url, "cloudformation", "deploy", "--stack-name", STACK,
                   "--template-file", TEMPLATE, "--capabilities", "CAPABILITY_IAM",
                   "--parameter-overrides", *PARAMETERS, *more, env=environment)

    def resource(self, logical_id):
        found = self.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def outputs(self):
        stack = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def patterns(self):
        events = self.client("events")
        return {rule: events.describe_rule(Name=self.resource(rule))["EventPattern"] for rule in RULES}

    def role_policies(self, logical_id="TaskRole"):
        iam, role = self.client("iam"), self.resource(logical_id)
        return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                for name in iam.list_role_policies(RoleName=role)["PolicyNames"]}


# --- The files ------------------------------------------------------------------------------------------------------


def check_files():
    tool("cfn-lint", "infra/worker.yaml", "--regions", "us-east-1", "eu-west-1")
    tool("hadolint", "Dockerfile")
    size = len(TEMPLATE.read_bytes())
    check(f"the template ({size} bytes) is deployed without a bucket", size <= LONGEST_TEMPLATE, f"over {LONGEST_TEMPLATE}")
    check_hardening()
    check_terraform()
    check_toolchain()
    check_architecture()
    check_documented()


def check_hardening():
    """In the template's text: the emulator forgets capabilities and health checks of a task definition."""
    text = TEMPLATE.read_text()
    for wanted in ["ReadonlyRootFilesystem: true", "Drop: [ALL]", 'User: "65532:65532"', "StopTimeout: 120",
                   "Command: [CMD, /ecs-rotator, health]", 'Cpu: "256"', 'Memory: "512"']:
        check(f"the task definition says {wanted}", wanted in text)


def check_terraform():
    """Every parameter of the template is a variable of the module, with the same default."""
    decoded = _yaml(TEMPLATE)["Parameters"]
    variables = (INFRA / "terraform" / "variables.tf").read_text()
    main = (INFRA / "terraform" / "main.tf").read_text()
    named = set(re.findall(r"^\s+(\w+)\s+= ", main[main.index("parameters = {"):], re.M)) & set(decoded)
    check("the Terraform module passes every parameter", named == set(decoded), f"not {sorted(set(decoded) - named)}")
    for name, parameter in decoded.items():
        variable = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        block = re.search(rf'variable "{variable}" {{\n(.*?)\n}}', variables, re.S)
        # In a list nothing is separated by commas.
        says = parameter["Description"].replace(", separated by commas" if parameter["Type"] != "String" else "\0", "")
        if block and f"description = {json.dumps(says)}" not in block.group(1):
            check(f"the Terraform variable {variable} says what {name} says", False, says)
        default = re.search(r"^  default\s+= (.*)$", block.group(1), re.M) if block else None
        want = parameter.get("Default")
        got = _plain(default.group(1)) if default else None
        if not block or got != (None if want is None else str(want)):
            check(f"the Terraform variable {variable} has the default of {name}", False, f"{got!r}, not {want!r}")


def check_toolchain():
    channel = re.search(r'channel = "(.*?)"', (INFRA.parent / "rust-toolchain.toml").read_text()).group(1)
    check(f"the image is built by Rust {channel}, as everything else", f"FROM rust:{channel}-alpine" in (INFRA.parent / "Dockerfile").read_text())


def check_architecture():
    """What `docker build` makes by the commands that are written down is what the stack runs."""
    default = _yaml(TEMPLATE)["Parameters"]["Architecture"]["Default"]
    platform = {"ARM64": "linux/arm64", "X86_64": "linux/amd64"}[default]
    texts = {name: (INFRA.parent / name).read_text() for name in ["README.md", "Dockerfile"]}
    commands = [(name, line.strip()) for name, text in texts.items() for line in text.splitlines() if re.match(r"\W*docker (buildx )?build ", line)]
    lacking = [f"{name}: {line}" for name, line in commands if f"--platform {platform} " not in line]
    check(f"each of the {len(commands)} documented builds makes an image for {default}", len(commands) >= 2 and not lacking, lacking)
    other = next(one for one in ["linux/arm64", "linux/amd64"] if one != platform)
    check("README says what fits a build for the other processor", f"--platform {other}" in texts["README.md"] and
          f"Architecture={'X86_64' if default == 'ARM64' else 'ARM64'}" in texts["README.md"])


def check_documented():
    """The first deployment, as README has it, names what there is, and begins by observing."""
    parameters, readme = _yaml(TEMPLATE)["Parameters"], (INFRA.parent / "README.md").read_text()
    deploy = re.search(r"aws cloudformation deploy .*?```", readme, re.S).group(0)
    named = set(re.findall(r"\b([A-Z]\w+)=", deploy))
    required = {name for name, parameter in parameters.items() if "Default" not in parameter}
    check("README's first deployment names parameters that there are, and all that are required", required <= named <= set(parameters),
          (required - named) | (named - set(parameters)))
    check("README's first deployment observes", "Mode=observe" in deploy)
    module = re.search(r'^module "ecs_rotator" {\n(.*?)^}', readme, re.S | re.M).group(1)
    variables = set(re.findall(r'^variable "(\w+)"', (INFRA / "terraform" / "variables.tf").read_text(), re.M))
    set_there = set(re.findall(r"^  (\w+) +=", module, re.M)) - {"source"}
    check("README's module sets variables that there are", len(set_there) > 3 and set_there <= variables, set_there - variables)


def _plain(value):
    """A default as CloudFormation writes it."""
    if value.startswith("["):
        return ",".join(re.findall(r'"(.*?)"', value))
    return value.strip('"')


def _yaml(path):
    from cfnlint.decode import cfn_yaml  # knows the short forms (!Ref, …)
    return cfn_yaml.load(str(path))


# --- The stack ------------------------------------------------------------------------------------------------------


def check_stack(emulator):
    done = emulator.deploy()
    check("aws cloudformation deploy, with only what is required and an address", done.returncode == 0,
          done.stdout + done.stderr)
    if done.returncode != 0:
        return False
    patterns = emulator.patterns()
    for rule, pattern in patterns.items():
        length = len(json.dumps(json.loads(pattern), separators=(",", ":")))
        check(f"the pattern of {rule} has {length} characters", length <= LONGEST_PATTERN, f"over {LONGEST_PATTERN}")
    check_many_clusters(patterns)
    check_table(emulator, patterns)
    check_queues(emulator)
    check_schedule(emulator)
    check_bus(emulator, patterns)
    check_news(emulator)
    check_alarms(emulator)
    check_optional(emulator)
    return True


def check_many_clusters(patterns):
    longest = [f"arn:aws:ecs:ap-southeast-1:{ACCOUNT}:cluster/{'x' * 20}{n:02}" for n in range(PROMISED_CLUSTERS)]
    for rule in ["HostsRule", "TasksRule"]:
        pattern = json.loads(patterns[rule])
        pattern["detail"]["clusterArn"] = longest
        length = len(json.dumps(pattern, separators=(",", ":")))
        check(f"{rule} has room for {PROMISED_CLUSTERS} clusters ({length} characters)", length <= LONGEST_PATTERN)


def check_table(emulator, patterns):
    events = emulator.client("events")
    table = json.loads((INFRA / "events" / "table.json").read_text())
    files = {file.name for file in (INFRA / "events").glob("*.json")} - {"table.json"}
    check(f"the table names each of the {len(files)} examples", files == set(table), files ^ set(table))
    for file, expected in table.items():
        event = (INFRA / "events" / file).read_text()
        matching = [rule for rule, pattern in patterns.items()
                    if events.test_event_pattern(EventPattern=pattern, Event=event)["Result"]]
        wanted = [] if expected == "none" else [expected]
        check(f"{file.removesuffix('.json')} → {expected}", matching == wanted, f"matches {matching or 'none'}")


def check_queues(emulator):
    sqs = emulator.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=emulator.resource("Queue"), AttributeNames=["All"])["Attributes"]
    check("the queue is encrypted by SQS", attributes.get("SqsManagedSseEnabled") == "true")
    check("what is not understood goes to the dead-letter queue",
          json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith(f":{STACK}-dead-letters"))
    # Which rule sends is nothing that the emulator enforces, so the policy is read.
    policy = json.loads(attributes["Policy"])
    allowed = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    events = emulator.client("events")
    arns = {events.describe_rule(Name=emulator.resource(rule))["Arn"] for rule in RULES}
    conditions = allowed[0]["Condition"]
    check("only EventBridge may send, for these rules of this account",
          len(allowed) == 1 and allowed[0]["Principal"] == {"Service": "events.amazonaws.com"}
          and set(conditions["ArnEquals"]["aws:SourceArn"]) == arns and all(f":{ACCOUNT}:rule/" in arn for arn in arns))


def check_schedule(emulator):
    schedule = emulator.client("scheduler").get_schedule(Name=f"{STACK}-check-releases")
    check("the release check is on a schedule, enabled, and sends the command to the queue",
          schedule["State"] == "ENABLED" and schedule["Target"]["Arn"].endswith(f":{STACK}")
          and json.loads(schedule["Target"]["Input"]) == {"action": "check-releases"})


# PutEvents refuses sources of AWS, there as here. So each rule gets a twin that differs in the source, with the targets
# of the deployed rule: what is shown is where a matching event goes, and in which form.
def check_bus(emulator, patterns):
    events, sqs, queue = emulator.client("events"), emulator.client("sqs"), emulator.resource("Queue")
    refused = events.put_events(Entries=[{"Source": "aws.ec2", "DetailType": "x", "Detail": "{}"}])
    check("nobody can put an event in the name of AWS", refused["FailedEntryCount"] == 1)
    for rule in QUEUE_RULES:
        pattern = json.loads(patterns[rule])
        pattern["source"] = [f"check.{source}" for source in pattern["source"]]
        targets = events.list_targets_by_rule(Rule=emulator.resource(rule))["Targets"]
        events.put_rule(Name=f"twin-{rule}", EventPattern=json.dumps(pattern))
        events.put_targets(Rule=f"twin-{rule}", Targets=targets)
    table = json.loads((INFRA / "events" / "table.json").read_text())
    examples = {file: json.loads((INFRA / "events" / file).read_text()) for file in table}
    for event in examples.values():
        events.put_events(Entries=[{"Source": f"check.{event['source']}", "DetailType": event["detail-type"],
                                    "Detail": json.dumps(event["detail"])}])
    wanted = [examples[file]["detail"] for file, rule in table.items() if rule in QUEUE_RULES]
    bodies = receive(sqs, queue, len(wanted))
    got = [body["detail"] for body in bodies]
    by_text = lambda detail: json.dumps(detail, sort_keys=True)
    check(f"of {len(table)} events on the bus {len(wanted)} reach the queue", sorted(map(by_text, got)) == sorted(map(by_text, wanted)),
          f"{len(got)} did")
    check("they arrive as EventBridge's envelope", all({"source", "detail-type", "account", "region"} <= set(body) for body in bodies))
    for rule in QUEUE_RULES:
        events.remove_targets(Rule=f"twin-{rule}", Ids=["queue"])
        events.delete_rule(Name=f"twin-{rule}")


def receive(sqs, queue, count):
    bodies, until = [], time.monotonic() + 10
    # One look more than needed, so that one too many is seen.
    while time.monotonic() < until:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if not messages and len(bodies) >= count:
            break
        for message in messages:
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def check_news(emulator):
    """The worker's own events, through the deployed rule to the topic; a queue stands in for the mailbox."""
    sqs, sns = emulator.client("sqs"), emulator.client("sns")
    mailbox = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    sns.subscribe(TopicArn=emulator.outputs()["TopicArn"], Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:mailbox")
    table = json.loads((INFRA / "events" / "table.json").read_text())
    own = {file: json.loads((INFRA / "events" / file).read_text()) for file in table if file.startswith("own-")}
    for event in own.values():
        emulator.client("events").put_events(Entries=[{"Source": event["source"], "DetailType": event["detail-type"],
                                                       "Detail": json.dumps(event["detail"])}])
    wanted = [event for file, event in own.items() if table[file] == "NewsRule"]
    mails = [mail["Message"] for mail in receive(sqs, mailbox, len(wanted))]
    check(f"{len(wanted)} of {len(own)} kinds of news are mailed, and a replaced host is not", len(mails) == len(wanted), mails)
    for event in wanted:
        mail = next((mail for mail in mails if mail.startswith(f'"{event["detail-type"]}: cluster {event["detail"]["cluster"]}, at 20')), "")
        words = texts({key: value for key, value in event["detail"].items() if key not in UNTOLD})
        lacking = [text for text in words if text not in mail]
        readable = all(re.fullmatch(r'"[^"]*"', line) for line in mail.splitlines()) and "<" not in mail
        check(f"the mail {event['detail-type']} says all of it, in readable lines", mail and readable and not lacking, f"{mail} lacks {lacking}")


def texts(value):
    """Whatever a detail says, as text."""
    if isinstance(value, dict | list):
        return [text for one in (value.values() if isinstance(value, dict) else value) for text in texts(one)]
    return [str(value)]


# Whether a filter fits a line is nothing that the emulator tells: tests/infra.rs holds the words of the filters to the code.
def check_alarms(emulator):
    """That each alarm tells someone what to do, and what patch age is counted from."""
    cloudwatch, topic = emulator.client("cloudwatch"), emulator.outputs()["TopicArn"]
    alarms = {alarm["AlarmName"].removeprefix(f"{STACK}-"): alarm for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    check("there are the seven alarms", set(alarms) == ALARMS, set(alarms) ^ ALARMS)
    silent = [name for name, alarm in alarms.items() if alarm["AlarmActions"] != [topic] or len(alarm.get("AlarmDescription", "")) < 60]
    check("each rings at the topic, and says what it means", not silent, silent)
    filters = {one["metricTransformations"][0]["metricName"]: one for one in emulator.client("logs").describe_metric_filters()["metricFilters"]}
    check("there are metrics of holds, of skipped groups and of patch age", set(filters) == {"RotationHeld", "GroupsSkipped", "PatchAgeDays"}, set(filters))
    age, made = alarms["patch-age"], filters["PatchAgeDays"]["metricTransformations"][0]
    check("patch age is what the line says, without a value where there is none",
          made["metricValue"] == "$.patch_age_days" and "defaultValue" not in made, made)
    check("its alarm takes the largest of two periods of 6 hours, and one is enough",
          (age["Statistic"], age["Period"], age["EvaluationPeriods"], age.get("DatapointsToAlarm"), age["Threshold"], age["TreatMissingData"])
          == ("Maximum", 21600, 2, 1, 14, "notBreaching"), age)


def check_optional(emulator):
    """What is off by default, and what each parameter switches on."""
    before = emulator.role_policies()
    check("without further parameters the role has the policies worker, changes and own-events",
          set(before) == {"worker", "changes", "own-events"}, set(before))
    optional = ["StopStandaloneAfter=20m", f"PinnedTemplateRoles=arn:aws:iam::{ACCOUNT}:role/hosts", "GateAlarms=errors", "ReleaseParameterPrefix=/hosts/"]
    done = emulator.deploy(*optional, "Workers=2", "ParameterPrefixes=/images/,/golden/", "HostEvents=all",
                           "MaxInFlightCluster=3", "EventBus=", "GroupNames=web-*", "MaxPatchAgeDays=0",
                           f"TopicArn={GIVEN_TOPIC}")
    check("the stack is updated in place with everything that is optional", done.returncode == 0, done.stdout + done.stderr)
    after = emulator.role_policies()
    check("each parameter switches on its policy, and an empty bus its own off",
          set(after) == {"worker", "changes", "pinned-templates", "gate-alarms", "release-parameter"}, set(after))
    stops = lambda policies: "ecs:StopTask" in next(s["Action"] for s in policies["worker"]["Statement"] if s["Sid"] == "WhatLivesThere")
    check("tasks may be stopped where a parameter says when, and not before", stops(after) and not stops(before))
    passed = [statement for statement in after["pinned-templates"]["Statement"] if statement["Action"] == "iam:PassRole"]
    check("PassRole is for the given roles only", passed and passed[0]["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/hosts"])
    alarms = emulator.client("cloudwatch").describe_alarms()["MetricAlarms"]
    check("with MaxPatchAgeDays=0 there is no alarm on it", {alarm["AlarmName"].removeprefix(f"{STACK}-") for alarm in alarms} == ALARMS - {"patch-age"})
    check("with TopicArn every alarm rings there, and the stack has no topic of its own",
          all(alarm["AlarmActions"] == [GIVEN_TOPIC] for alarm in alarms) and emulator.outputs()["TopicArn"] == GIVEN_TOPIC
          and STACK not in {topic["TopicArn"].rsplit(":", 1)[1] for topic in emulator.client("sns").list_topics()["Topics"]})
    resources = next(s["Resource"] for s in after["worker"]["Statement"] if s["Sid"] == "ReadImageParameters")
    check("the parameters of releases may be read", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/hosts/*" in resources, resources)
    check("the second prefix may be read", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/golden/*" in resources, resources)
    events = emulator.client("events")
    match = lambda rule, file, **change: events.test_event_pattern(
        EventPattern=events.describe_rule(Name=emulator.resource(rule))["EventPattern"], Event=changed(file, **change))["Result"]
    check("the second prefix wakes", match("ParametersRule", "parameter-updated", name="/golden/al2023"))
    check("a failed launch wakes for the groups that are named, and no other", match("LaunchesRule", "launch-unsuccessful")
          and not match("LaunchesRule", "launch-unsuccessful", AutoScalingGroupName="batch-asg"))
    check("with HostEvents=all every event of a host wakes", match("HostsRule", "host-old-agent-away"))
    check("and those of another cluster still do not", not match("HostsRule", "host-draining-of-other-cluster"))
    check_observe(emulator, optional)


# Of every action of the worker's, those that change nothing in the account; its own queue and its own events are no matter.
READS = re.compile(r"(ecs|ec2|autoscaling|ssm|cloudwatch):(Describe|List|Get)|sqs:|events:PutEvents")


def check_observe(emulator, optional):
    """A worker that only observes could not change anything if it tried, whatever else is switched on."""
    done = emulator.deploy(*optional, "Mode=observe", "EventBus=default")
    check("the stack is updated to observe", done.returncode == 0, done.stdout + done.stderr)
    news = emulator.client("events").list_targets_by_rule(Rule=emulator.resource("NewsRule"))["Targets"]
    check("news go to the topic that is given", [target["Arn"] for target in news] == [GIVEN_TOPIC], news)
    actions = [action for policy in emulator.role_policies().values() for statement in policy["Statement"]
               for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])]
    changing = [action for action in actions if not READS.match(action)]
    check(f"with Mode=observe none of the {len(actions)} actions of the role changes anything", len(actions) > 15 and not changing, changing)
    check_environment(emulator)


def check_environment(emulator):
    """What a parameter says is what the worker gets."""
    definitions = emulator.client("ecs")
    task = definitions.describe_task_definition(taskDefinition=STACK)["taskDefinition"]
    environment = {one["name"]: one["value"] for one in task["containerDefinitions"][0]["environment"]}
    wanted = {"ECS_ROTATOR_MODE": "observe", "ECS_ROTATOR_MAX_IN_FLIGHT_CLUSTER": "3", "ECS_ROTATOR_ALARMS": "errors", "ECS_ROTATOR_EVENT_BUS": "default",
              "ECS_ROTATOR_ALLOW_OLDER": "false", "ECS_ROTATOR_KEEP_VERSIONS": "5", "ECS_ROTATOR_SETTLE": "0s"}
    got = {name: environment.get(name) for name in wanted}
    check("the worker gets what the parameters say", got == wanted, got)


def changed(file, **change):
    event = json.loads((INFRA / "events" / f"{file}.json").read_text())
    event["detail"] |= change
    return json.dumps(event)


# --- The worker's own rights ----------------------------------------------------------------------------------------


# The emulator knows no service's own condition keys (events:source, ecs:cluster): statements with one would refuse
# everything. So only the calls to SQS and EventBridge are tried, with `events:source` taken out of the policy; that the
# template has it is checked before.
def worker_keys(emulator):
    """A user that has the policies of the worker's role, as far as the emulator understands them."""
    policies = emulator.role_policies()
    sending = policies["own-events"]["Statement"][0]
    check("the worker may only send events in its own name", sending.pop("Condition", None) == {"StringEquals": {"events:source": "ecs-rotator"}})
    for statement in policies["worker"]["Statement"]:
        if statement["Sid"] == "ReadItsQueue":
            statement["Action"] += [f"{action}Batch" for action in statement["Action"] if action in BATCHED]
        # Which clusters a call names is nothing that the emulator looks at.
        if statement["Sid"] == "TheClusters":
            statement["Resource"] = "*"
    iam = emulator.client("iam")
    iam.create_user(UserName="worker")
    for name, document in policies.items():
        iam.put_user_policy(UserName="worker", PolicyName=name, PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName="worker")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def check_rights(emulator):
    done = emulator.deploy()
    check("the stack is deployed where every call is authorised", done.returncode == 0, done.stdout + done.stderr)
    if done.returncode != 0:
        return
    keys = worker_keys(emulator)
    as_worker = lambda service: emulator.client(service, *keys)
    queue, dead, root = emulator.resource("Queue"), emulator.resource("DeadLetterQueue"), emulator.client("sqs")
    for number in range(2):
        root.send_message(QueueUrl=queue, MessageBody=f'{{"action":"sweep","n":{number}}}')
    sqs, events = as_worker("sqs"), as_worker("events")
    received = []

    def receive_one():
        received.extend(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"])

    entry = lambda **more: [{"Id": "1", "ReceiptHandle": received[0]["ReceiptHandle"], **more}]
    allowed = {
        "GetQueueAttributes": lambda: sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn", "RedrivePolicy"]),
        "ReceiveMessage": receive_one,
        "ChangeMessageVisibilityBatch": lambda: sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entry(VisibilityTimeout=60)),
        "DeleteMessageBatch": lambda: sqs.delete_message_batch(QueueUrl=queue, Entries=entry()),
        "PutEvents": lambda: events.put_events(Entries=[{"Source": "ecs-rotator", "DetailType": "Rotation Opened", "Detail": "{}"}]),
    }
    refused = {
        "SendMessage": lambda: sqs.send_message(QueueUrl=queue, MessageBody="{}"),
        "PurgeQueue": lambda: sqs.purge_queue(QueueUrl=queue),
        "SetQueueAttributes": lambda: sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"}),
        "ReceiveMessage of the dead-letter queue": lambda: sqs.receive_message(QueueUrl=dead),
        "PutRule": lambda: events.put_rule(Name="mine", EventPattern='{"source":["x"]}'),
        "DisableRule": lambda: events.disable_rule(Name=f"{STACK}-hosts"),
        "PutEvents on another bus": lambda: events.put_events(
            Entries=[{"Source": "ecs-rotator", "DetailType": "x", "Detail": "{}", "EventBusName": "other"}]),
    }
    for name, call in allowed.items():
        check(f"the worker may {name}", (code := code_of(call)) is None, code)
    for name, call in refused.items():
        code = code_of(call)
        check(f"the worker may not {name}", code is not None and "AccessDenied" in code, code or "it could")


def check_plain(emulator):
    emulator.deploy()
    send = lambda: emulator.client("sqs").send_message(QueueUrl=emulator.resource("Queue"), MessageBody="{}")
    check("nobody talks to the queue in the clear", code_of(send) == "AccessDenied", code_of(send) or "it could")


# --- The README -----------------------------------------------------------------------------------------------------


def check_by_hand(emulator):
    """Queues, rules and schedule by the README's own commands, word by word, but for the endpoint."""
    readme = (INFRA.parent / "README.md").read_text()
    section = readme[readme.index("### By hand"):readme.index("### Stop and upgrade")]
    commands = re.findall(r"```sh\n(.*?)```", section[section.index("#### Queue"):], re.S)
    environment = os.environ | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PATH": f"{BIN}:{os.environ['PATH']}"}
    script = f'set -euo pipefail\naws() {{ command aws --endpoint-url {emulator.url} "$@"; }}\n' + "\n".join(commands)
    with tempfile.TemporaryDirectory() as directory:
        done = run("bash", "-c", script, cwd=directory, env=environment)
    check(f"the {len(commands)} blocks of commands by hand do as they say", done.returncode == 0, done.stdout + done.stderr)
    events, sqs = emulator.client("events"), emulator.client("sqs")
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:ecs-rotator"
    made = events.list_rule_names_by_target(TargetArn=queue)["RuleNames"]
    by_hand = {rule: f"ecs-rotator-{rule.removesuffix('Rule').lower()}" for rule in QUEUE_RULES}
    check("the five rules and the schedule have the queue as their target", sorted(made) == sorted([*by_hand.values(), "ecs-rotator-check-releases"]), made)
    targets = [target for rule in made for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
    check("what they cannot deliver is kept", targets and all(target.get("DeadLetterConfig") == {"Arn": f"{queue}-undelivered"} for target in targets), targets)
    inputs = [json.loads(target["Input"]) for target in targets if "Input" in target]
    check("the schedule sends the command", inputs == [{"action": "check-releases"}], inputs)
    for name, wanted in [("ecs-rotator", {"Policy", "RedrivePolicy"}), ("ecs-rotator-undelivered", {"Policy"})]:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        check(f"the queue {name} by hand is encrypted, and has {' and '.join(sorted(wanted))}",
              attributes["SqsManagedSseEnabled"] == "true" and wanted <= set(attributes), attributes)
        resources = json.loads(attributes["Policy"])["Statement"][0]["Resource"]
        check(f"EventBridge may send to {name}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" in resources, resources)
    table = json.loads((INFRA / "events" / "table.json").read_text())
    for rule in QUEUE_RULES:
        pattern = events.describe_rule(Name=by_hand[rule])["EventPattern"] if by_hand[rule] in made else "{}"
        wanted = [file for file, expected in table.items() if expected == rule]
        through = [file for file in wanted if events.test_event_pattern(
            EventPattern=pattern, Event=(INFRA / "events" / file).read_text())["Result"]]
        check(f"the pattern by hand lets through the {len(wanted)} events of {rule}", wanted == through, set(wanted) - set(through))


def code_of(call):
    try:
        answer = call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return next((entry["Code"] for entry in (answer or {}).get("Failed", [])), None)


def main():
    started = time.monotonic()
    check_files()
    with Emulator() as emulator:
        check_stack(emulator)
    with Emulator(auth=True, tls=True) as emulator:
        check_rights(emulator)
    with Emulator(auth=True) as emulator:
        check_plain(emulator)
    with Emulator() as emulator:
        check_by_hand(emulator)
    print(f"in {time.monotonic() - started:.0f} s")
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
