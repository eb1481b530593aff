# What the API lets machines do, and the clients by which they get tokens for it.

resource "aws_cognito_resource_server" "api" {
  user_pool_id = var.user_pool_id
  identifier   = var.identifier
  name         = var.api_name

  dynamic "scope" {
    for_each = var.scopes

    content {
      scope_name        = scope.key
      scope_description = scope.value
    }
  }
}

# Cognito gives a client one secret for life. So a new secret is a new client, and two of them live side by side until
# nobody uses the old one.
resource "aws_cognito_user_pool_client" "machine" {
  for_each = var.generations

  user_pool_id = var.user_pool_id
  name         = "${var.name}-${each.key}"

  generate_secret = true

  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["client_credentials"]
  allowed_oauth_scopes                 = [for scope in sort(var.client_scopes) : "${aws_cognito_resource_server.api.identifier}/${scope}"]
  supported_identity_providers         = ["COGNITO"]

  # Left out, Cognito would let people sign in by this client with their passwords. This one alone lets nobody begin.
  explicit_auth_flows           = ["ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true

  access_token_validity = 1

  token_validity_units {
    access_token = "hours"
  }

  lifecycle {
    precondition {
      condition     = length(setsubtract(var.client_scopes, keys(var.scopes))) == 0
      error_message = "client_scopes names a scope that is not in scopes."
    }
  }
}
