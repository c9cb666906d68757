import { BlockList, isIP } from "node:net"

/*
 * Addresses that no node may be reached at: behind them is never a peer, and often what a machine tells its owner alone (the
 * metadata of a cloud). Loopback and private ones are where most meshes are.
 */

type Range = readonly [address: string, prefix: number]

const KINDS: ReadonlyArray<readonly [kind: string, ranges: ReadonlyArray<Range>]> = [
  ["unspecified", [["0.0.0.0", 8], ["::", 128]]],
  ["link-local", [["169.254.0.0", 16], ["fe80::", 10]]],
  ["multicast", [["224.0.0.0", 4], ["ff00::", 8]]],
  ["reserved or broadcast", [["240.0.0.0", 4]]],
  [
    "of a metadata service",
    // Of Alibaba Cloud, Azure and the rest of IPv4 that is not link-local; of AWS and Google by IPv6.
    [["100.100.100.200", 32], ["168.63.129.16", 32], ["192.0.0.192", 32], ["fd00:ec2::", 32], ["fd20:ce::254", 128]]
  ]
]

/** Where others than the machine and its own network are not: what a stranger names is never sent there. */
const OWN: ReadonlyArray<readonly [kind: string, ranges: ReadonlyArray<Range>]> = [
  ["loopback", [["127.0.0.0", 8]]],
  [
    "private",
    [
      ["10.0.0.0", 8],
      ["172.16.0.0", 12],
      ["192.168.0.0", 16],
      ["100.64.0.0", 10],
      ["fc00::", 7],
      ["fec0::", 10]
    ]
  ],
  [
    "of no host",
    [
      ["192.0.0.0", 24],
      ["192.0.2.0", 24],
      ["198.18.0.0", 15],
      ["198.51.100.0", 24],
      ["203.0.113.0", 24],
      ["100::", 64],
      ["2001::", 23],
      ["2001:db8::", 32],
      ["64:ff9b:1::", 48]
    ]
  ]
]

/** Where an address of IPv4 stands within one of IPv6, by its first bit: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056). */
const CARRIERS: ReadonlyArray<(address: string) => string> = [
  (hex) => `::${hex}`,
  (hex) => `::ffff:${hex}`,
  (hex) => `::ffff:0:${hex}`,
  (hex) => `64:ff9b::${hex}`,
  (hex) => `2002:${hex}::`
]
const STARTS = [96, 96, 96, 96, 16]

const hexOf = (ipv4: string): string => {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split(".").map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

const listOf = (ranges: ReadonlyArray<Range>): BlockList => {
  const list = new BlockList()
  for (const [address, prefix] of ranges) {
    if (isIP(address) === 6) {
      list.addSubnet(address, prefix, "ipv6")
      continue
    }
    list.addSubnet(address, prefix, "ipv4")
    CARRIERS.forEach((carrier, at) => {
      list.addSubnet(carrier(hexOf(address)), (STARTS[at] ?? 0) + prefix, "ipv6")
    })
  }
  return list
}

const LISTS = KINDS.map(([kind, ranges]) => ({ kind, list: listOf(ranges) }))

/** The loopback of IPv6 looks like an address of IPv4 that is carried in one. */
const LOOPBACK = new BlockList()
LOOPBACK.addAddress("::1", "ipv6")

/** Without the brackets of a URL, and the zone that an address of one link has. */
const bareOf = (address: string): string => address.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "")

const isLoopback = (address: string, version: number): boolean => version === 6 && LOOPBACK.check(address, "ipv6")

/** Whether two texts are one address, however they are spelled; an address of IPv4 is also the one of IPv6 that carries it. */
export const isSameAddress = (one: string, other: string): boolean => {
  const [first, second] = [bareOf(one), bareOf(other)]
  const [ofFirst, ofSecond] = [isIP(first), isIP(second)]
  if (ofFirst === 0 || ofSecond === 0 || isLoopback(first, ofFirst) !== isLoopback(second, ofSecond)) return false
  const isWithin = (address: string, version: number, of: string, versionOf: number) =>
    listOf([[of, versionOf === 4 ? 32 : 128]]).check(address, version === 4 ? "ipv4" : "ipv6")
  return isWithin(second, ofSecond, first, ofFirst) || isWithin(first, ofFirst, second, ofSecond)
}

/** Why nobody may be reached at this address; none for a name, and for one where somebody may. */
export const forbidden = (address: string): string | undefined => {
  const bare = bareOf(address)
  const version = isIP(bare)
  if (version === 0) return undefined
  const family = version === 4 ? "ipv4" : "ipv6"
  if (LOOPBACK.check(bare, family)) return undefined
  return LISTS.find(({ list }) => list.check(bare, family))?.kind
}

const OWN_LISTS = OWN.map(([kind, ranges]) => ({ kind, list: listOf(ranges) }))

/** What kind of address of the machine or its network it is, or of nobody; none for a name, and for an address of anybody. */
export const notPublic = (address: string): string | undefined => {
  const bare = bareOf(address)
  const version = isIP(bare)
  if (version === 0) return undefined
  if (isLoopback(bare, version)) return "loopback"
  const family = version === 4 ? "ipv4" : "ipv6"
  return OWN_LISTS.find(({ list }) => list.check(bare, family))?.kind ?? forbidden(address)
}
