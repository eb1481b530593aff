output "record_id" {
  description = "The id of the record."
  value       = cloudflare_dns_record.host.id
}
