# Every parameter of ../worker.yaml, in its order and with its defaults; infra/check.py compares them.

variable "stack_name" {
  description = "Name of the CloudFormation stack, and the beginning of the names of what is in it."
  type        = string
  default     = "ecs-rotator"
}

variable "tags" {
  description = "Tags of the stack and of all that is in it."
  type        = map(string)
  default     = {}
}

variable "clusters" {
  description = "ARNs of the ECS clusters to look after, separated by commas. Naming a cluster here opts it in, unless its tag ecs-rotator:enabled says false. About twenty fit into an event pattern."
  type        = list(string)

  validation {
    condition     = length(var.clusters) > 0 && alltrue([for arn in var.clusters : can(regex("^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", arn))])
    error_message = "ARNs of ECS clusters, at least one."
  }
}

variable "group_names" {
  description = "Name of the Auto Scaling groups that the worker may change; * is any run of characters, as in prod-*. Others it can only read."
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
  description = "Groups that no capacity provider names, as CLUSTER=GROUP, separated by commas."
  type        = string
  default     = ""
}

variable "image" {
  description = "The worker's container image, with its tag or digest."
  type        = string
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
  description = "Where the worker answers its health check and shows its page, which only reads and knows no users. 0.0.0.0:8080 opens it to whomever the security groups let in."
  type        = string
  default     = "127.0.0.1:8080"
}

variable "assign_public_ip" {
  description = "ENABLED where the subnets are public and have no NAT."
  type        = string
  default     = "DISABLED"

  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.assign_public_ip)
    error_message = "One of DISABLED, ENABLED."
  }
}

variable "architecture" {
  description = "The processor to run on. The published image has both; ARM64 costs less."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "One of ARM64, X86_64."
  }
}

variable "workers" {
  description = "Two workers on one queue keep the same budget as one, and survive the loss of a zone without a pause."
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
  description = "The time zone of a cron expression in ReleaseCheck, as Europe/Berlin."
  type        = string
  default     = "UTC"
}

variable "window" {
  description = "Maintenance windows outside of which nothing begins, as Mon-Fri 22:00-04:00 Europe/Berlin. Empty, always."
  type        = string
  default     = ""
}

variable "freeze" {
  description = "Days on which nothing begins, as 2026-12-20..2027-01-04 Europe/Berlin. Empty, none."
  type        = string
  default     = ""
}

variable "min_ami_age" {
  description = "How old an image must be before it is taken, as 3d."
  type        = string
  default     = "0s"
}

variable "max_in_flight" {
  description = "Hosts of one group that are replaced at a time, a number or a share of its desired capacity."
  type        = string
  default     = "10%"
}

variable "max_in_flight_cluster" {
  description = "Hosts of one cluster that are replaced at a time. Empty, no such limit."
  type        = string
  default     = ""
}

variable "bake" {
  description = "How long the first replacement of a group must have served before others follow."
  type        = string
  default     = "5m"
}

variable "drain_timeout" {
  description = "How long a drain may take before the rotation is held and the reason told."
  type        = string
  default     = "1h"
}

variable "stop_standalone_after" {
  description = "When standalone tasks on a draining host are stopped, as 20m after the drain began. Needs StopTask, which it allows."
  type        = string
  default     = "never"
}

variable "give_up_after" {
  description = "When a drain is given up and the host goes back to its group, as 3h."
  type        = string
  default     = "never"
}

variable "force_after" {
  description = "When a drain is forced, tasks and all, as 6h. Needs StopTask, which it allows."
  type        = string
  default     = "never"
}

variable "stuck" {
  description = "What to do with a host whose drain would get stuck."
  type        = string
  default     = "go-on"

  validation {
    condition     = contains(["go-on", "wait"], var.stuck)
    error_message = "One of go-on, wait."
  }
}

variable "release_by" {
  description = "Where a release is written. A group's tag ecs-rotator:release-by goes before it."
  type        = string
  default     = "template"

  validation {
    condition     = contains(["template", "parameter"], var.release_by)
    error_message = "One of template, parameter."
  }
}

variable "gate_alarms" {
  description = "CloudWatch alarms, separated by commas. While one is in ALARM no further host is taken."
  type        = string
  default     = ""
}

variable "allow_stop_task" {
  description = "Allow StopTask for groups whose own tags set stop-standalone-after or force-after."
  type        = bool
  default     = false
}

variable "pinned_template_roles" {
  description = "ARNs of the roles in the instance profiles of groups that pin a version of their launch template (or whose overrides bring an image). Only with them the worker may change such groups; AWS wants PassRole and RunInstances for that. Empty where groups use $Default or $Latest."
  type        = list(string)
  default     = []
}

variable "launch_templates" {
  description = "ARNs of the launch templates that the worker may make versions of. An asterisk means all of them."
  type        = list(string)
  default     = ["*"]
}

variable "release_parameter_prefix" {
  description = "Prefix of the parameters that the worker may write, for groups with release-by parameter, as /hosts/. Empty, none."
  type        = string
  default     = ""
}

variable "allow_describe_alarms" {
  description = "Allow DescribeAlarms for groups whose own tags name alarms."
  type        = bool
  default     = false
}

variable "notification_email" {
  description = "Where alarms and the worker's own news (opened, held, resumed, closed, drain overdue) are mailed. The address has to confirm the subscription. Empty, nobody."
  type        = string
  default     = ""
}

variable "event_bus" {
  description = "The event bus of this account that the worker puts its own events on. Empty, none are sent."
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
  description = "Levels of the log, as warn,ecs_rotator=debug."
  type        = string
  default     = "warn,ecs_rotator=info"
}
