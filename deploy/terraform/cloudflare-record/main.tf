# The DNS record of the API's host.

locals {
  is_ipv4 = can(regex("^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", var.target))
  is_ipv6 = can(regex("^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$", var.target))
}

resource "cloudflare_dns_record" "host" {
  zone_id = var.zone_id
  name    = var.host
  type    = local.is_ipv4 ? "A" : local.is_ipv6 ? "AAAA" : "CNAME"
  content = var.target
  proxied = var.proxied
  # 1 is "automatic", the only one that a proxied record may have.
  ttl     = var.proxied ? 1 : var.ttl
  comment = "Mandate"
}
