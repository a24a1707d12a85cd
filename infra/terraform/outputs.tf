# What the stack puts out; the descriptions are those of the template.

output "queue_url" {
  description = "For ECS_ROTATOR_QUEUE_URL of `ecs-rotator rotate`, `pause`, `resume` and `abort`."
  value       = aws_cloudformation_stack.worker.outputs["QueueUrl"]
}

output "queue_arn" {
  description = "Who may send to it may command the worker."
  value       = aws_cloudformation_stack.worker.outputs["QueueArn"]
}

output "dead_letter_queue_url" {
  description = "What the worker could not understand."
  value       = aws_cloudformation_stack.worker.outputs["DeadLetterQueueUrl"]
}

output "undelivered_queue_url" {
  description = "What EventBridge could not deliver."
  value       = aws_cloudformation_stack.worker.outputs["UndeliveredQueueUrl"]
}

output "task_role_arn" {
  description = "What the worker may do."
  value       = aws_cloudformation_stack.worker.outputs["TaskRoleArn"]
}

output "log_group_name" {
  description = "The worker's log."
  value       = aws_cloudformation_stack.worker.outputs["LogGroupName"]
}

output "worker_cluster_name" {
  description = "The ECS cluster in which the service `worker` runs."
  value       = aws_cloudformation_stack.worker.outputs["WorkerClusterName"]
}

output "topic_arn" {
  description = "Subscribe to the alarms and the worker's news here."
  value       = aws_cloudformation_stack.worker.outputs["TopicArn"]
}
