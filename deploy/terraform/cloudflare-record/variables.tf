variable "zone_id" {
  description = "The zone in which the host lies."
  type        = string
}

variable "host" {
  description = "The whole name of the API's host, such as api.lab.example."
  type        = string
}

variable "target" {
  description = "Where the ingress controller is reached: an IPv4 or IPv6 address, or a host name."
  type        = string
}

variable "proxied" {
  description = "Whether Cloudflare stands in between. It then ends TLS, and sees every token and every body."
  type        = bool
  default     = false
}

variable "ttl" {
  description = "Seconds for which resolvers may keep the answer. A proxied record has none of its own."
  type        = number
  default     = 300

  validation {
    condition     = var.ttl >= 60 && var.ttl <= 86400
    error_message = "Write 60 to 86400 seconds."
  }
}
