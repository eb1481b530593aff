variable "user_pool_id" {
  description = "The user pool, which is there already and has a domain: machines get their tokens at its token endpoint."
  type        = string
}

variable "name" {
  description = "What the clients are called; the name of the generation follows it."
  type        = string
}

variable "identifier" {
  description = "Stands before each scope in a token, as in https://api.lab.example/read. Changing it ends every token."
  type        = string

  validation {
    condition     = !endswith(var.identifier, "/")
    error_message = "Write the identifier without a slash at its end: a slash joins it to the scope."
  }
}

variable "api_name" {
  description = "What the resource server is called in the console."
  type        = string
  default     = "API"
}

variable "scopes" {
  description = "The scopes that the API knows, each with what it means."
  type        = map(string)
  default = {
    read  = "Read access to API resources"
    write = "Write access to API resources"
    admin = "Administrative access"
  }
}

variable "client_scopes" {
  description = "The scopes that machines may ask for."
  type        = set(string)
  default     = ["read", "write"]

  validation {
    condition     = length(var.client_scopes) > 0
    error_message = "Name at least one scope: Cognito gives no token without any."
  }
}

variable "generations" {
  description = "One client for each name. Two while a secret is being rotated, one otherwise (README.md)."
  type        = set(string)
  default     = ["1"]

  validation {
    condition     = length(var.generations) >= 1 && length(var.generations) <= 2
    error_message = "Name one generation, or two while rotating."
  }
}
