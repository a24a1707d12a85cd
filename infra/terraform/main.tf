# The stack of ../worker.yaml, so that there is one definition of what is deployed.

resource "aws_cloudformation_stack" "worker" {
  name          = var.stack_name
  template_body = file("${path.module}/../worker.yaml")
  capabilities  = ["CAPABILITY_IAM"]
  tags          = var.tags

  parameters = {
    Clusters                  = join(",", var.clusters)
    Mode                      = var.mode
    GroupNames                = var.group_names
    ParameterPrefixes         = join(",", var.parameter_prefixes)
    GroupsOf                  = var.groups_of
    Image                     = var.image
    Architecture              = var.architecture
    Subnets                   = join(",", var.subnets)
    SecurityGroups            = join(",", var.security_groups)
    HttpAddress               = var.http_address
    AssignPublicIp            = var.assign_public_ip
    Workers                   = tostring(var.workers)
    ReleaseCheck              = var.release_check
    TimeZone                  = var.time_zone
    Window                    = var.window
    Freeze                    = var.freeze
    MinAmiAge                 = var.min_ami_age
    SweepInterval             = var.sweep_interval
    MaxInFlight               = var.max_in_flight
    MaxInFlightCluster        = var.max_in_flight_cluster
    Bake                      = var.bake
    Settle                    = var.settle
    Drain                     = var.drain
    ReplacementTimeout        = var.replacement_timeout
    ReplacementTimeoutWindows = var.replacement_timeout_windows
    DrainTimeout              = var.drain_timeout
    StopStandaloneAfter       = var.stop_standalone_after
    GiveUpAfter               = var.give_up_after
    ForceAfter                = var.force_after
    Stuck                     = var.stuck
    AcceptDetach              = var.accept_detach
    GateAlarms                = var.gate_alarms
    ReleaseBy                 = var.release_by
    Families                  = var.families
    AllowOlder                = tostring(var.allow_older)
    KeepVersions              = tostring(var.keep_versions)
    AllowStopTask             = tostring(var.allow_stop_task)
    PinnedTemplateRoles       = join(",", var.pinned_template_roles)
    LaunchTemplates           = join(",", var.launch_templates)
    ReleaseParameterPrefix    = var.release_parameter_prefix
    AllowDescribeAlarms       = tostring(var.allow_describe_alarms)
    NotificationEmail         = var.notification_email
    TopicArn                  = var.topic_arn
    MaxPatchAgeDays           = tostring(var.max_patch_age_days)
    EventBus                  = var.event_bus
    HostEvents                = var.host_events
    KmsKeyArn                 = var.kms_key_arn
    LogRetentionDays          = tostring(var.log_retention_days)
    LogLevel                  = var.log_level
  }
}
