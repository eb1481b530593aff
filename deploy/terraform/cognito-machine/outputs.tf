output "client_ids" {
  description = "The id of each generation's client. All of them stand in machineClients of Mandate's provider."
  value       = { for generation, client in aws_cognito_user_pool_client.machine : generation => client.id }
}

output "client_secrets" {
  description = "The secret of each generation's client."
  value       = { for generation, client in aws_cognito_user_pool_client.machine : generation => client.client_secret }
  sensitive   = true
}

output "scopes" {
  description = "The scopes as they stand in tokens, and in the routes of Mandate."
  value       = { for scope in keys(var.scopes) : scope => "${aws_cognito_resource_server.api.identifier}/${scope}" }
}
