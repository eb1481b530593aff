/** The gateway's address, as it is typed. */
import { Complaint } from '../../complaint.ts'

/** The origin of a gateway. Throws Complaint when kubectl could not use it. */
export function gatewayOrigin(address: string | undefined): string {
  if (address === undefined || address === '') throw new Complaint('which gateway? Name it with --gateway https://HOST or MANDATE_GATEWAY')
  const url = URL.parse(address)
  if (url?.protocol === 'http:') {
    throw new Complaint('--gateway is plain http: kubectl sends no token over http, so name its https address')
  }
  if (
    url?.protocol !== 'https:' ||
    url.username !== '' ||
    url.password !== '' ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== ''
  )
    throw new Complaint('--gateway is not an address such as https://HOST[:PORT]')
  return url.origin
}
