# Every parameter of ../worker.yaml, in its order and with its defaults; infra/check.py compares them.

variable "stack_name" {
  description = "Name of the CloudFormation stack, and the beginning of the names of what is in it."
  type        = string
  default     = "ecs-rotator"

  validation {
    condition     = length(var.stack_name) <= 49
    error_message = "At most 49 characters: the names of rules and schedules, which begin with it, have 64."
  }
}

variable "tags" {
  description = "Tags of the stack and of all that is in it."
  type        = map(string)
  default     = {}
}

variable "clusters" {
  description = "ARNs of the ECS clusters to look after. Naming a cluster here opts it in, unless its tag ecs-rotator:enabled says false. About twenty fit into an event pattern and into the worker's role."
  type        = list(string)

  validation {
    condition     = length(var.clusters) > 0 && alltrue([for arn in var.clusters : can(regex("^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", arn))])
    error_message = "ARNs of ECS clusters, at least one."
  }
}

variable "mode" {
  description = "observe changes nothing (its role has no right to) and tells what it would do, in the log and as the event Release Found. Begin with it. With rotate the first release check replaces hosts."
  type        = string
  default     = "rotate"

  validation {
    condition     = contains(["rotate", "observe"], var.mode)
    error_message = "One of rotate, observe."
  }
}

variable "group_names" {
  description = "Name of the Auto Scaling groups that the worker may change; * is any run of characters, as in prod-*. Others it can only read. The default allows every group of the account and region."
  type        = string
  default     = "*"
}

variable "parameter_prefixes" {
  description = "One to three prefixes of names of your own parameters that hold AMI ids. A change below them opens a rotation at once, and the worker may read them. AWS's public parameters can always be read."
  type        = list(string)
  default     = ["/images/"]

  validation {
    condition     = length(var.parameter_prefixes) >= 1 && length(var.parameter_prefixes) <= 3
    error_message = "One to three prefixes."
  }
}

variable "groups_of" {
  description = "Auto Scaling groups of a cluster that no capacity provider names, as prod=web-asg,prod=api-asg."
  type        = string
  default     = ""
}

variable "image" {
  description = "The worker's container image, with its tag or digest."
  type        = string
}

variable "architecture" {
  description = "What Image is built for (docker build --platform linux/arm64, or linux/amd64 for X86_64). An image of the other kind ends with exec format error. ARM64 costs less."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "One of ARM64, X86_64."
  }
}

variable "subnets" {
  description = "Subnets for the worker. It must reach AWS's APIs from there, by NAT, by endpoints or by a public address."
  type        = list(string)
}

variable "security_groups" {
  description = "Security groups of the worker; it needs outbound HTTPS, and nothing inbound but what HttpAddress is opened for. Empty: the default one of the VPC."
  type        = list(string)
  default     = []
}

variable "http_address" {
  description = "Where the worker answers its health check and shows its page, which only reads and knows no users. 0.0.0.0:8080 opens it to all that the security groups let in."
  type        = string
  default     = "127.0.0.1:8080"
}

variable "assign_public_ip" {
  description = "ENABLED where the subnets are public, without NAT."
  type        = string
  default     = "DISABLED"

  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.assign_public_ip)
    error_message = "One of DISABLED, ENABLED."
  }
}

variable "workers" {
  description = "Two keep the same budget as one, and survive the loss of a zone without a pause."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.workers)
    error_message = "One of 1, 2."
  }
}

variable "release_check" {
  description = "When to ask whether a newer image is there: rate(1 hour), or cron(0 3 ? * MON-FRI *). AWS's public parameters send no events, so for AWS's images this is what begins a rotation."
  type        = string
  default     = "rate(1 hour)"
}

variable "time_zone" {
  description = "Of a cron expression in ReleaseCheck, as Europe/Berlin."
  type        = string
  default     = "UTC"
}

variable "window" {
  description = "When hosts may be taken, as Mon-Fri 22:00-04:00 Europe/Berlin. Empty, always."
  type        = string
  default     = ""
}

variable "freeze" {
  description = "Days on which no host is taken, as 2026-12-20..2027-01-04 Europe/Berlin. Empty, none."
  type        = string
  default     = ""
}

variable "min_ami_age" {
  description = "How old an image must be before it is taken, as 3d."
  type        = string
  default     = "0s"
}

variable "sweep_interval" {
  description = "How often rotations under way are looked at without an event."
  type        = string
  default     = "5m"
}

variable "max_in_flight" {
  description = "Hosts of one group replaced at a time, a number or a share of its desired capacity."
  type        = string
  default     = "10%"
}

variable "max_in_flight_cluster" {
  description = "Hosts of one cluster replaced at a time. Empty, no such limit."
  type        = string
  default     = ""
}

variable "bake" {
  description = "How long a group's first replacement must have served before others follow."
  type        = string
  default     = "5m"
}

variable "settle" {
  description = "The same for every further one, before the next host is taken."
  type        = string
  default     = "0s"
}

variable "drain" {
  description = "When a host is drained, after its replacement is ready or at once."
  type        = string
  default     = "after-replacement"

  validation {
    condition     = contains(["after-replacement", "at-once"], var.drain)
    error_message = "One of after-replacement, at-once."
  }
}

variable "replacement_timeout" {
  description = "How long a replacement may take to register before the rotation is held."
  type        = string
  default     = "15m"
}

variable "replacement_timeout_windows" {
  description = "The same for Windows."
  type        = string
  default     = "45m"
}

variable "drain_timeout" {
  description = "How long a drain may take before the rotation is held."
  type        = string
  default     = "1h"
}

variable "stop_standalone_after" {
  description = "When tasks of no service are stopped on a draining host, as 20m after its drain began. Allows StopTask."
  type        = string
  default     = "never"
}

variable "give_up_after" {
  description = "When a drain is given up and the host goes back to its group, as 3h."
  type        = string
  default     = "never"
}

variable "force_after" {
  description = "When a drain is forced, tasks and all, as 6h. Allows StopTask."
  type        = string
  default     = "never"
}

variable "stuck" {
  description = "A host whose drain would not end by what can be read (a service without room, a protected task) is drained all the same (go-on), or left for last until nothing blocks it (wait)."
  type        = string
  default     = "go-on"

  validation {
    condition     = contains(["go-on", "wait"], var.stuck)
    error_message = "One of go-on, wait."
  }
}

variable "accept_detach" {
  description = "What a detach may cost: the traffic of the groups' own load balancers, their terminating lifecycle hooks. Other groups with either are left alone."
  type        = string
  default     = "nothing"

  validation {
    condition     = contains(["nothing", "load-balancers", "hooks", "load-balancers,hooks"], var.accept_detach)
    error_message = "One of nothing, load-balancers, hooks, load-balancers,hooks."
  }
}

variable "gate_alarms" {
  description = "CloudWatch alarms, separated by commas. While one is in ALARM no further host is taken."
  type        = string
  default     = ""
}

variable "release_by" {
  description = "A new image is written as a version of the launch template, or into the parameter that the template reads by resolve:ssm. A group's tag ecs-rotator:release-by overrides it."
  type        = string
  default     = "template"

  validation {
    condition     = contains(["template", "parameter"], var.release_by)
    error_message = "One of template, parameter."
  }
}

variable "families" {
  description = "Image families besides Amazon's, as a JSON array. README.md shows one."
  type        = string
  default     = ""
}

variable "allow_older" {
  description = "A release may be older than the image in use."
  type        = bool
  default     = false
}

variable "keep_versions" {
  description = "Template versions of the worker's own that are kept."
  type        = number
  default     = 5

  validation {
    condition     = var.keep_versions >= 1
    error_message = "From 1."
  }
}

variable "allow_stop_task" {
  description = "Allow StopTask for groups that set stop-standalone-after or force-after by tags of their own."
  type        = bool
  default     = false
}

variable "pinned_template_roles" {
  description = "ARNs of the roles in the instance profiles of groups that pin a version of their launch template (or whose overrides bring an image). Only with them the worker may change such groups; AWS wants PassRole and RunInstances for that. Empty where groups use $Default or $Latest."
  type        = list(string)
  default     = []
}

variable "launch_templates" {
  description = "ARNs of the launch templates that the worker may make versions of, and whose default it may move. The default allows all of the account."
  type        = list(string)
  default     = ["*"]
}

variable "release_parameter_prefix" {
  description = "Prefix of the parameters that the worker may write, for groups with release-by parameter, as /hosts/. Empty, none."
  type        = string
  default     = ""
}

variable "allow_describe_alarms" {
  description = "Allow DescribeAlarms for groups that name alarms by tags of their own."
  type        = bool
  default     = false
}

variable "notification_email" {
  description = "An address that gets alarms and news by mail. It has to confirm the subscription. Empty, none."
  type        = string
  default     = ""
}

variable "topic_arn" {
  description = "An SNS topic of yours for alarms and news. Its policy must let cloudwatch.amazonaws.com and events.amazonaws.com publish. Empty, the stack makes a topic (output TopicArn), and without a subscription to it an alarm reaches no one."
  type        = string
  default     = ""
}

variable "max_patch_age_days" {
  description = "Days after which a newer image that fits must be on every host of a group; then the alarm patch-age rings. More than MinAmiAge. 0, no such alarm."
  type        = number
  default     = 14

  validation {
    condition     = var.max_patch_age_days >= 0
    error_message = "From 0."
  }
}

variable "event_bus" {
  description = "The event bus of this account that the worker puts its own events on. Empty, none are sent, and no news."
  type        = string
  default     = "default"
}

variable "host_events" {
  description = "ECS tells of a host at every start and stop of a task. With cut only new hosts and those that are not ACTIVE reach the queue; all is for clusters where new hosts are found only by the sweep, after some minutes."
  type        = string
  default     = "cut"

  validation {
    condition     = contains(["cut", "all"], var.host_events)
    error_message = "One of cut, all."
  }
}

variable "kms_key_arn" {
  description = "A key of your own for the queues. Its policy must admit events.amazonaws.com (kms:Decrypt, kms:GenerateDataKey); the key alias/aws/sqs cannot, and events would be lost. Empty, SQS encrypts with a key that it owns."
  type        = string
  default     = ""
}

variable "log_retention_days" {
  description = "How long the worker's log is kept."
  type        = number
  default     = 90
}

variable "log_level" {
  description = "Levels of the log, as warn,ecs_rotator=debug. Three alarms read it at info."
  type        = string
  default     = "warn,ecs_rotator=info"
}
