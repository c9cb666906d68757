import { assert, describe, it } from "@effect/vitest"
import { forbidden } from "../../src/access/addresses.js"

/** As a URL has them, with the address that they come to. */
const SPELLINGS: ReadonlyArray<string> = [
  "0.0.0.0",
  "0",
  "0x0",
  "00",
  "0.1",
  "0.255.255.255",
  "[::]",
  "[0:0:0:0:0:0:0:0]",
  "[::0.0.0.0]",
  "[::ffff:0.0.0.0]",
  "[::ffff:0:0]",
  "169.254.169.254",
  "169.254.1.1",
  "169.254.0.0",
  "169.254.255.255",
  "169.254.43518",
  "169.16689662",
  "2852039166",
  "0xa9fea9fe",
  "0xA9.0xFE.0xA9.0xFE",
  "0251.0376.0251.0376",
  "025177524776",
  "169.254.0xa9.0376",
  "169.254.169.254.",
  "%31%36%39.254.169.254",
  "１６９.254.169.254",
  "169。254。169。254",
  "[::ffff:169.254.169.254]",
  "[::ffff:a9fe:a9fe]",
  "[::FFFF:A9FE:A9FE]",
  "[0:0:0:0:0:ffff:a9fe:a9fe]",
  "[::169.254.169.254]",
  "[::a9fe:a9fe]",
  "[::ffff:0:169.254.169.254]",
  "[64:ff9b::169.254.169.254]",
  "[64:ff9b::a9fe:a9fe]",
  "[2002:a9fe:a9fe::]",
  "[2002:a9fe:a9fe::1]",
  "[fe80::1]",
  "[FE80::1]",
  "[fe80:0:0:0:1:2:3:4]",
  "[febf::1]",
  "[fd00:ec2::254]",
  "[fd00:0ec2:0:0:0:0:0:254]",
  "[fd20:ce::254]",
  "100.100.100.200",
  "1684301000",
  "168.63.129.16",
  "0xa83f8110",
  "192.0.0.192",
  "224.0.0.1",
  "239.255.255.255",
  "0xe0000001",
  "3758096385",
  "255.255.255.255",
  "0xffffffff",
  "4294967295",
  "240.0.0.1",
  "[ff02::1]",
  "[ff05::1:3]",
  "[::ffff:224.0.0.1]",
  "[::ffff:255.255.255.255]",
  "[64:ff9b::e000:1]"
]

const ALLOWED = [
  "127.0.0.1",
  "127.1",
  "[::1]",
  "[::ffff:127.0.0.1]",
  "10.0.0.1",
  "172.16.0.1",
  "192.168.1.1",
  "100.64.0.1",
  "8.8.8.8",
  "169.253.255.255",
  "169.255.0.0",
  "223.255.255.255",
  "[fd00::1]",
  "[2001:db8::1]",
  "[2002:a9fd:ffff::]",
  "localhost",
  "node-1.example"
]

describe("addresses of peers", () => {
  it("are more than sixty that lead to where nobody is", () => {
    assert.isAtLeast(new Set(SPELLINGS).size, 60)
  })

  it.each(SPELLINGS)("are not: http://%s:9077", (spelling) => {
    assert.isDefined(
      forbidden(new URL(`http://${spelling}:9077`).hostname),
      new URL(`http://${spelling}:9077`).hostname
    )
  })

  it.each(ALLOWED)("are: http://%s:9077", (spelling) => {
    assert.isUndefined(forbidden(new URL(`http://${spelling}:9077`).hostname))
  })

  it("have no zone that hides them", () => {
    assert.strictEqual(forbidden("fe80::1%eth0"), "link-local")
  })
})
