import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { lineOf } from '../config.fake.ts'
import { wideRanges } from './proxy-ranges.ts'

const ALL = 'is every address there is, so that anybody could say where they come from'
const ALL_IPV4 = 'is every IPv4 address there is, so that anybody could say where they come from'
const WIDE = 'is so wide that anybody could say where they come from'

for (const [range, problem] of [
  ['0.0.0.0/0', ALL],
  ['::/0', ALL],
  ['0.0.0.0/6', WIDE],
  ['2000::/6', WIDE],
  ['::/1', ALL_IPV4],
  ['::/7', ALL_IPV4],
  ['::/8', ALL_IPV4],
  ['::/64', ALL_IPV4],
  ['0::0/80', ALL_IPV4],
  ['::ffff:0:0/96', ALL_IPV4],
  ['::ffff:0.0.0.0/96', ALL_IPV4],
  ['0:0:0:0:0:FFFF:10.0.0.0/96', ALL_IPV4],
  ['::ffff:0:0/90', ALL_IPV4],
  ['::fffe:0:0/95', ALL_IPV4],
  ['::ffff:10.0.0.0/97', WIDE],
  ['::ffff:8000:0/102', WIDE],
] as const)
  test(`refuses ${range}, which is too wide to be a list of proxies`, () =>
    assert.deepEqual(wideRanges('listen.behind', ['10.0.0.0/8', range]).map(lineOf), [
      `listen.behind.1 | ${problem} | list the addresses of the proxies`,
    ]))

test('takes the widest private networks, mapped ones too, and ranges that hold no IPv4', () => {
  const ranges = [
    '10.0.0.0/8',
    'fc00::/7',
    '::ffff:10.0.0.0/104',
    '::1/128',
    '::ffff:192.0.2.1/128',
    '2001:db8::/32',
    '2001:db8::/100',
    '::/96',
  ]
  assert.deepEqual(wideRanges('listen.behind', ranges), [])
})

/** Every 128th part of all IPv4 addresses by its first and its last one: a range of seven bits or more meets one of them. */
const PARTS = Array.from({ length: 128 }, (_, at) => [`${at * 2}.0.0.0`, `${at * 2 + 1}.255.255.255`])

const hex = fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16))
const groups = (count: number) => fc.array(hex, { minLength: count, maxLength: count })
/** Addresses of IPv6, most of them mapped ones or close to them. */
const address = fc.oneof(
  groups(8).map((all) => all.join(':')),
  fc.ipV4().map((mapped) => `::ffff:${mapped}`),
  groups(2).map((end) => `0:0:0:0:0:ffff:${end.join(':')}`),
  fc.tuple(fc.constantFrom('0', '1', 'fffe', 'ffff'), groups(2)).map(([last, end]) => `0:0:0:0:0:${last}:${end.join(':')}`),
  fc.constant('::'),
)

test('a range that is taken is met by the IPv4 addresses of one seven-bit range at most, however it is written', () => {
  fc.assert(
    fc.property(address, fc.integer({ min: 0, max: 128 }), (start, bits) => {
      if (wideRanges('listen.behind', [`${start}/${bits}`]).length > 0) return
      const list = new BlockList()
      list.addSubnet(start, bits, 'ipv6')
      const met = PARTS.filter((part) => part.some((ipv4) => list.check(ipv4, 'ipv4') || list.check(`::ffff:${ipv4}`, 'ipv6')))
      assert.ok(met.length <= 1, `${start}/${bits} is met in ${met.length} parts`)
    }),
    { numRuns: 2_000 },
  )
})

test('a mapped range is judged as the IPv4 range that it is', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (start, bits) => {
      const faults = (range: string) => wideRanges('listen.behind', [range]).length
      assert.equal(faults(`::ffff:${start}/${96 + bits}`), faults(`${start}/${bits}`))
    }),
  )
})
