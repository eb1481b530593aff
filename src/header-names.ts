/** Names of headers, as the most lenient reader sees them. */

/**
 * In lower case, and whatever is neither a letter nor a digit as a hyphen, since CGI gateways read every such sign as an
 * underscore and some services that as a hyphen.
 */
export function spelled(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
}
