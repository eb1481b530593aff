import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { addressReader, networkOf, peerCheck } from './address.ts'

suite("the caller's address", () => {
  const cases: ReadonlyArray<
    readonly [what: string, behind: readonly string[], peer: string | undefined, forwarded: string | undefined, address: string]
  > = [
    ['of anybody is the peer, whatever it says', [], '203.0.113.5', '198.51.100.1', '203.0.113.5'],
    ['behind a trusted proxy is what that proxy wrote', ['10.0.0.0/8'], '10.1.2.3', '203.0.113.5', '203.0.113.5'],
    ['is the last that no trusted proxy wrote', ['10.0.0.0/8'], '10.1.2.3', '6.6.6.6, 203.0.113.5, 10.9.9.9', '203.0.113.5'],
    ['is not what a caller made up in front of it', ['10.0.0.0/8'], '10.1.2.3', '127.0.0.1, 203.0.113.5', '203.0.113.5'],
    ['is the proxy when what it wrote is no address', ['10.0.0.0/8'], '10.1.2.3', '203.0.113.5, unknown', '10.1.2.3'],
    ['is the proxy when it wrote nothing', ['10.0.0.0/8'], '10.1.2.3', undefined, '10.1.2.3'],
    ['is IPv4 in its IPv6 mapping too', ['10.0.0.0/8'], '::ffff:10.1.2.3', '::ffff:203.0.113.5', '203.0.113.5'],
    ['works with IPv6 proxies', ['fd00::/8'], 'fd00::1', '2001:db8::7', '2001:db8::7'],
    ['of a peer outside the range is the peer', ['10.0.0.0/8'], '11.0.0.1', '203.0.113.5', '11.0.0.1'],
    ['of a socket that is gone is unknown', [], undefined, '203.0.113.5', 'unknown'],
  ]
  for (const [what, behind, peer, forwarded, address] of cases) {
    test(what, () => assert.equal(addressReader(behind)(peer, forwarded), address))
  }

  for (const [peer, near] of [
    ['10.1.2.3', true],
    ['::ffff:10.1.2.3', true],
    ['fd00::1', true],
    ['127.0.0.1', true],
    ['::1', true],
    ['11.0.0.1', false],
    ['::ffff:11.0.0.1', false],
    ['2001:db8::1', false],
    [undefined, false],
  ] as const) {
    test(`plain http of ${peer} is ${near ? 'taken' : 'refused'} behind 10.0.0.0/8 and fd00::/8`, () =>
      assert.equal(peerCheck(['10.0.0.0/8', 'fd00::/8'])(peer), near))
  }

  for (const [address, network] of [
    ['203.0.113.5', '203.0.113.5'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['unknown', 'unknown'],
  ] as const) {
    test(`limits count ${address} as ${network}`, () => assert.equal(networkOf(address), network))
  }
})
