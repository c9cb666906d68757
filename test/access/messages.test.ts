import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Credentials from "../../src/access/Credentials.js"
import { publicKeyOf, signerOf, verify } from "../../src/access/ed25519.js"
import * as gate from "../../src/access/gate.js"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import type { KeyRing } from "../../src/access/KeyRing.js"
import * as messages from "../../src/access/messages.js"
import * as nonces from "../../src/access/nonces.js"
import * as Revocations from "../../src/access/Revocations.js"
import * as trustBundle from "../../src/access/trustBundle.js"

const Signed = Schema.Struct({
  nonce: Schema.NullOr(Schema.String),
  signed_bytes_hex: Schema.String,
  signature_hex: Schema.String,
  "x-memory-sig": Schema.String
})
const Key = Schema.Struct({ seed_hex: Schema.String, public_hex: Schema.String })
const Fixtures = Schema.Struct({
  keys: Schema.Struct({ issuer: Key, subject: Key, intermediate: Key }),
  push: Schema.Struct({ body: Schema.String, with_nonce: Signed, without_nonce: Signed }),
  get_since: Schema.Struct({
    path: Schema.String,
    query: Schema.String,
    with_nonce: Signed,
    without_nonce: Signed,
    empty_query: Schema.Struct({ ...Signed.fields })
  }),
  nonce_fingerprint: Schema.Struct({ peer_id: Schema.String, nonce: Schema.String, sha256_hex: Schema.String })
})
const fixtures = Schema.decodeUnknownSync(Schema.parseJson(Fixtures))(
  readFileSync(new URL("../fixtures/identity.json", import.meta.url), "utf8")
)

const hex = (text: string) => Buffer.from(text, "hex")
const subject = Option.getOrThrow(signerOf(hex(fixtures.keys.subject.seed_hex)))
const issuer = Option.getOrThrow(signerOf(hex(fixtures.keys.issuer.seed_hex)))
const PEER = fixtures.nonce_fingerprint.peer_id
const NOW = 1_900_000_000_000

const push: messages.Message = {
  method: "POST",
  path: "/api/v1/sync/push",
  query: "",
  body: Buffer.from(fixtures.push.body)
}
const { path, query } = fixtures.get_since
const pull: messages.Message = { method: "GET", path, query, body: Buffer.alloc(0) }
const cases = [
  ["a push with a nonce", push, fixtures.push.with_nonce],
  ["a push without one", push, fixtures.push.without_nonce],
  ["a question with a nonce", pull, fixtures.get_since.with_nonce],
  ["a question without one", pull, fixtures.get_since.without_nonce],
  ["a question without parameters", { ...pull, query: "" }, fixtures.get_since.empty_query]
] as const

/** Vectors 1 to 3 of RFC 8032, 7.1. */
const RFC_8032 = [
  [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
  ],
  [
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
  ],
  [
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    "af82",
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
  ]
] as const

describe("signatures of Ed25519", () => {
  it.each(RFC_8032)("are those of RFC 8032: %s", (seed, raw, message, signature) => {
    const signer = Option.getOrThrow(signerOf(hex(seed)))
    assert.strictEqual(signer.publicKey.raw.toString("hex"), raw)
    assert.strictEqual(signer.sign(hex(message)).toString("hex"), signature)
    const publicKey = Option.getOrThrow(publicKeyOf(hex(raw)))
    assert.isTrue(verify(publicKey, hex(message), hex(signature)))
    for (let at = 0; at < 64; at++) {
      const altered = hex(signature)
      altered[at] = (altered[at] ?? 0) ^ 1
      assert.isFalse(verify(publicKey, hex(message), altered), String(at))
    }
    assert.isFalse(verify(publicKey, hex(`${message}00`), hex(signature)))
    assert.isFalse(verify(publicKey, hex(message), hex(signature).subarray(0, 63)))
  })

  it.each([
    ["the neutral point", `01${"00".repeat(31)}`],
    ["the point of order 2", `ec${"ff".repeat(30)}7f`],
    ["a point of order 4", "00".repeat(32)],
    ["the other one", `${"00".repeat(31)}80`],
    ["a point of order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"],
    ["another one", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"],
    ["the neutral point in another form", `ee${"ff".repeat(30)}7f`],
    ["the neutral point with a sign", `01${"00".repeat(30)}80`],
    ["no point", `02${"00".repeat(31)}`],
    ["a number beyond the field", "ff".repeat(32)],
    ["too short", "00".repeat(31)],
    ["too long", "00".repeat(33)]
  ])("are checked by no key that is %s", (_, raw) => {
    assert.isTrue(Option.isNone(publicKeyOf(hex(raw))))
  })

  it("are none whose first half is of small order, and none whose second is beyond the order", () => {
    const small = Buffer.concat([hex(`01${"00".repeat(31)}`), Buffer.alloc(32)])
    assert.isFalse(verify(subject.publicKey, Buffer.from("m"), small))
    const own = subject.sign(Buffer.from("m"))
    // S + L, which a lax reader takes.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    let s = own.subarray(32).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order
    const other = Buffer.from(own)
    for (let at = 32; at < 64; at++, s >>= 8n) other[at] = Number(s & 255n)
    assert.isFalse(verify(subject.publicKey, Buffer.from("m"), other))
  })
})

describe("a message", () => {
  it.each(cases)("is signed as the original does it: %s", (_, message, expected) => {
    const nonce = expected.nonce ?? undefined
    assert.strictEqual(messages.signedBytes(message, nonce).toString("hex"), expected.signed_bytes_hex)
    assert.strictEqual(subject.sign(messages.signedBytes(message, nonce)).toString("hex"), expected.signature_hex)
    if (nonce !== undefined) {
      assert.deepStrictEqual(messages.signed(message, subject, nonce), {
        "x-memory-sig": expected["x-memory-sig"],
        "x-memory-nonce": nonce
      })
    }
    assert.deepStrictEqual(messages.parse(expected["x-memory-sig"]), Either.right(hex(expected.signature_hex)))
  })

  const good = fixtures.push.with_nonce["x-memory-sig"]
  const text = good.slice("ed25519=".length)
  it.each([
    ["with something behind it", `${good};keyid=1`, "taken"],
    ["with blanks around it", `  ${good}  `, "taken"],
    ["with another algorithm", good.replace("ed25519", "rsa"), "x_memory_sig_unknown_algorithm"],
    ["in upper case", good.replace("ed25519", "ED25519"), "x_memory_sig_unknown_algorithm"],
    ["that is empty", "", "x_memory_sig_unknown_algorithm"],
    ["without padding", good.replace(/=+$/, ""), "x_memory_sig_malformed"],
    [
      "in the alphabet of URLs",
      fixtures.push.without_nonce["x-memory-sig"].replaceAll("+", "-"),
      "x_memory_sig_malformed"
    ],
    ["with a blank in it", `ed25519=${text.slice(0, 10)} ${text.slice(10)}`, "x_memory_sig_malformed"],
    ["with bits that say nothing", `ed25519=${text.slice(0, -3)}R==`, "x_memory_sig_malformed"],
    [
      "of 63 bytes",
      `ed25519=${hex(fixtures.push.with_nonce.signature_hex).subarray(1).toString("base64")}`,
      "x_memory_sig_malformed"
    ],
    ["in hex", `ed25519=${fixtures.push.with_nonce.signature_hex}`, "x_memory_sig_malformed"]
  ])("has a signature %s: as it stands", (_, header, outcome) => {
    assert.strictEqual(Either.match(messages.parse(header), { onLeft: (tag) => tag, onRight: () => "taken" }), outcome)
  })
})

describe("nonces", () => {
  const { nonce, peer_id, sha256_hex } = fixtures.nonce_fingerprint
  const seven = (at: number) => `${at.toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-000000000000`

  it("are kept as the original keeps them", () => {
    assert.strictEqual(nonces.fingerprintOf(peer_id, nonce), sha256_hex)
  })

  it("are taken once of each peer, also after a restart", () => {
    const before = nonces.make([])
    assert.strictEqual(before.take(PEER, nonce, NOW), "fresh")
    assert.strictEqual(before.take(PEER, nonce, NOW), "used")
    assert.strictEqual(before.take("another", nonce, NOW), "fresh")
    const kept = before.drain()
    assert.deepStrictEqual(kept.map(({ peerId }) => peerId), [PEER, "another"])
    assert.deepStrictEqual(before.drain(), [])
    assert.strictEqual(nonces.make(kept).take(PEER, nonce, NOW), "used")
  })

  it("are forgotten from the oldest on, and those that tell their time come too late then", () => {
    const store = nonces.make([])
    assert.strictEqual(store.take(PEER, seven(NOW), NOW), "fresh")
    assert.strictEqual(store.take(PEER, "first", NOW), "fresh")
    for (let at = 0; at < nonces.MAX_OF_PEER; at++) store.take(PEER, `n${at}`, NOW)
    // The original's own nonces: whoever kept the message can send it once more.
    assert.strictEqual(store.take(PEER, "first", NOW), "fresh")
    assert.strictEqual(store.take(PEER, seven(NOW), NOW + nonces.WINDOW_MILLIS + 1), "outside_window")
    assert.strictEqual(store.take(PEER, seven(NOW + nonces.WINDOW_MILLIS + 1), NOW), "outside_window")
    assert.strictEqual(store.take("another", seven(NOW - nonces.WINDOW_MILLIS), NOW), "fresh")
  })

  it("that tell their time are not taken again for being forgotten, also after a restart", () => {
    const store = nonces.make([])
    const kept = []
    for (let at = 0; at <= nonces.MAX_OF_PEER; at++) {
      assert.strictEqual(store.take(PEER, seven(NOW + at), NOW), "fresh")
      kept.push(...store.drain())
    }
    assert.strictEqual(store.take(PEER, seven(NOW), NOW), "outside_window")
    assert.strictEqual(store.take(PEER, seven(NOW + 1), NOW), "used")
    assert.strictEqual(store.take(PEER, "one that tells none", NOW), "fresh")
    assert.strictEqual(store.take("another", seven(NOW), NOW), "fresh")

    const restarted = nonces.make(kept)
    assert.strictEqual(restarted.take(PEER, seven(NOW), NOW), "outside_window")
    assert.strictEqual(restarted.take(PEER, seven(NOW + 1), NOW), "used")

    for (let at = 0; at < nonces.MAX_PEERS; at++) store.take(`p${at}`, seven(NOW + 20_000), NOW)
    assert.strictEqual(store.take(PEER, seven(NOW + 1), NOW), "outside_window")
    assert.strictEqual(store.take(PEER, seven(NOW + nonces.MAX_OF_PEER + 1), NOW), "fresh")
  })

  it("are remembered of so many peers, those that spoke last", () => {
    const store = nonces.make([])
    for (let at = 0; at < nonces.MAX_PEERS; at++) store.take(`p${at}`, "n", NOW)
    store.take("p0", "m", NOW)
    store.take("one more", "n", NOW)
    assert.strictEqual(store.take("p0", "n", NOW), "used")
    assert.strictEqual(store.take("p1", "n", NOW), "fresh")
  })
})

describe("the decision table", () => {
  const keys: KeyRing = {
    find: (id) => id === PEER ? { id, publicKey: subject.publicKey, signer: Option.none() } : undefined,
    isEnrolled: (id) => id === PEER || id === "unusable"
  }
  const revocations = Revocations.make(() => trustBundle.none)
  const judged = (received: Partial<gate.Received>, levels: Partial<gate.Levels> = {}, used = nonces.make([])) =>
    gate.judge(
      {
        keys,
        credentials: Credentials.make({ bundle: () => trustBundle.none, revocations, nowMillis: () => NOW }),
        revocations,
        nonces: used,
        levels: { signatures: "enrolled", areNoncesRequired: true, unsignedPull: new Set(), ...levels },
        nowMillis: () => NOW
      },
      {
        ...push,
        peerId: PEER,
        signature: undefined,
        nonce: undefined,
        credential: undefined,
        chain: undefined,
        ...received
      }
    )
  const nonce = "3f2b8c1e-5d4a-4b6f-9a70-0123456789ab"
  const signedWith = (of: string | undefined, message: messages.Message = push, signer = subject) => ({
    ...message,
    nonce: of,
    signature: `ed25519=${signer.sign(messages.signedBytes(message, of)).toString("base64")}`
  })
  const proved = Either.right({ peerId: PEER, isProved: true })
  const said = (peerId: string | undefined) => Either.right({ peerId, isProved: false })
  const refused = (tag: messages.Tag) => Either.left(tag)

  it.each(
    [
      ["signed, with a nonce", signedWith(nonce), {}, proved],
      ["signed, a question", signedWith(nonce, pull), {}, proved],
      ["signed, no nonce", signedWith(undefined), {}, refused("x_memory_nonce_missing")],
      ["signed, an empty nonce", signedWith(""), {}, refused("x_memory_nonce_missing")],
      ["signed, no nonce, none required", signedWith(undefined), { areNoncesRequired: false }, proved],
      ["signed by another", signedWith(nonce, push, issuer), {}, refused("x_memory_sig_bad_signature")],
      [
        "another body",
        { ...signedWith(nonce), body: Buffer.from("{}") },
        {},
        refused("x_memory_sig_bad_signature")
      ],
      ["another nonce", { ...signedWith(nonce), nonce: "n" }, {}, refused("x_memory_sig_bad_signature")],
      [
        "the nonce taken away",
        { ...signedWith(nonce), nonce: undefined },
        {},
        refused("x_memory_sig_bad_signature")
      ],
      [
        "another question",
        { ...signedWith(nonce, pull), query: `${query}&limit=1` },
        {},
        refused("x_memory_sig_bad_signature")
      ],
      ["another path", { ...signedWith(nonce, pull), path: `${path}/` }, {}, refused("x_memory_sig_bad_signature")],
      [
        "signed, not enrolled, all must",
        { ...signedWith(nonce), peerId: "stranger" },
        { signatures: "all" },
        refused("x_memory_sig_no_enrolled_key")
      ],
      [
        "signed, nobody, all must",
        { ...signedWith(nonce), peerId: undefined },
        { signatures: "all" },
        refused("x_memory_sig_no_enrolled_key")
      ],
      [
        "signed, a reserved id, all must",
        { ...signedWith(nonce), peerId: "daemon" },
        { signatures: "all" },
        refused("x_memory_sig_no_enrolled_key")
      ],
      // Where nobody else must sign, what can not be checked is no worse than nothing.
      ["signed, not enrolled", { ...signedWith(nonce), peerId: "stranger" }, {}, said("stranger")],
      ["signed, nobody", { ...signedWith(nonce), peerId: undefined }, {}, said(undefined)],
      ["unsigned, enrolled", {}, {}, refused("x_memory_sig_missing")],
      ["unsigned, enrolled, a question", pull, {}, refused("x_memory_sig_missing")],
      ["unsigned, enrolled, a question that may be", pull, { unsignedPull: new Set([PEER]) }, said(PEER)],
      [
        "unsigned, enrolled, a push of one whose questions may be",
        {},
        { unsignedPull: new Set([PEER]) },
        refused("x_memory_sig_missing")
      ],
      // The original takes such a one for not enrolled; so whoever can spoil a file could speak for its node.
      ["unsigned, a key of no use", { peerId: "unusable" }, {}, refused("x_memory_sig_missing")],
      [
        "signed, a key of no use",
        { ...signedWith(nonce), peerId: "unusable" },
        {},
        refused("x_memory_sig_no_enrolled_key")
      ],
      ["unsigned, not enrolled", { peerId: "stranger" }, {}, said("stranger")],
      ["unsigned, nobody", { peerId: undefined }, {}, said(undefined)],
      ["unsigned, a path as id", { peerId: "../root" }, {}, said(undefined)],
      [
        "unsigned, not enrolled, all must",
        { peerId: "stranger" },
        { signatures: "all" },
        refused("peer_not_enrolled")
      ],
      ["unsigned, nobody, all must", { peerId: undefined }, { signatures: "all" }, refused("peer_not_enrolled")],
      ["anything, nothing is looked at", { signature: "x" }, { signatures: "off" }, said(PEER)]
    ] as const
  )("is that of the original: %s", (_, received, levels, expected) => {
    assert.deepStrictEqual(judged(received, levels), expected)
  })

  it.each(["./a", "a/./b", "a//b", "a/", "/a", ".", "../a", "a/../b", "a/."])("knows nobody by %s", (id) => {
    assert.isFalse(keyDirectory.isSpeaker(id))
  })
  it.each(["a", "a.b", ".a", "region/nyc/node-1", "ai:host@x"])("may know somebody by %s", (id) => {
    assert.isTrue(keyDirectory.isSpeaker(id))
  })

  it("takes a message once, and a false one uses up no nonce", () => {
    const used = nonces.make([])
    assert.deepStrictEqual(
      judged({ ...signedWith(nonce), body: Buffer.from("{}") }, {}, used),
      refused("x_memory_sig_bad_signature")
    )
    assert.deepStrictEqual(judged(signedWith(nonce), {}, used), proved)
    assert.deepStrictEqual(judged(signedWith(nonce), {}, used), refused("x_memory_nonce_replay"))
  })

  it.each(cases)("takes no byte that is another one: %s", (_, message, { nonce: own }) => {
    const known = nonces.make([])
    const levels = { areNoncesRequired: false }
    const whole = signedWith(own ?? undefined, message)
    for (let at = 0; at < message.body.length; at++) {
      const body = Buffer.from(message.body)
      body[at] = (body[at] ?? 0) ^ 1
      assert.isTrue(Either.isLeft(judged({ ...whole, body }, levels, known)))
    }
    assert.isTrue(Either.isRight(judged(whole, levels, known)))
  })
})
