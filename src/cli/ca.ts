import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { isIP } from "node:net"
import * as authorityFolder from "../access/authorityFolder.js"
import * as credential from "../access/credential.js"
import type { PublicKey } from "../access/ed25519.js"
import * as identityFolder from "../access/identityFolder.js"
import * as keyDirectory from "../access/keyDirectory.js"
import * as x509 from "../access/x509.js"
import * as Stamp from "../domain/Stamp.js"
import { momentOf } from "./moment.js"
import { BadUsage } from "./report.js"

/** `quorate ca init | issue | renew | revoke | show`: who may be a node of a mesh, said by an authority of its operator. */
export const make = () =>
  Command.make("ca").pipe(
    Command.withDescription("An authority that says who is a node: certificates, credentials, revocations."),
    Command.withSubcommands([init, issue, renew, revoke, show])
  )

const caDir = Options.text("ca-dir").pipe(
  Options.withPseudoName("folder"),
  Options.withDescription("The folder of the authority. It holds secrets, and belongs on no node.")
)
const json = Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a text."))
const expires = (fallback: string) =>
  Options.text("expires").pipe(
    Options.withPseudoName("when"),
    Options.withDescription("When it ends: days as in 90d, hours as in 12h, or a time of RFC 3339."),
    Options.withDefault(fallback)
  )
const nodeId = Options.text("node-id").pipe(
  Options.withPseudoName("id"),
  Options.withDescription("The node.")
)
const out = Options.text("out").pipe(
  Options.withPseudoName("folder"),
  Options.withDescription("The folder of the node, which serve is given with --identity-dir.")
)

/** Clocks differ. */
const EARLIER_MILLIS = 60_000

/** The authority in a folder. */
const authorityIn = (folder: string) =>
  authorityFolder.exists(folder)
    ? authorityFolder.read(folder)
    : new BadUsage({ problem: `--ca-dir: there is no authority in ${folder}: quorate ca init makes one` })

const init = Command.make("init", {
  caDir,
  name: Options.text("name").pipe(
    Options.withPseudoName("name"),
    Options.withDescription("What the authority is called."),
    Options.withDefault("root")
  ),
  trustDomain: Options.text("trust-domain").pipe(
    Options.withPseudoName("domain"),
    Options.withDescription("What its nodes are of, such as fleet.example.")
  ),
  expires: expires("3650d"),
  json
}, (given) =>
  Effect.gen(function*() {
    const { caDir: folder, name, trustDomain } = given
    if (!authorityFolder.isName(name)) {
      return yield* new BadUsage({ problem: "--name: expected 1..64 of the characters A-Z a-z 0-9 . _ -" })
    }
    if (!authorityFolder.isTrustDomain(trustDomain)) {
      return yield* new BadUsage({ problem: "--trust-domain: expected 1..255 of the characters a-z 0-9 . -" })
    }
    const isThere = authorityFolder.exists(folder)
    const now = yield* Clock.currentTimeMillis
    const notAfter = yield* endOf(given.expires, now)
    const made = yield* isThere
      ? authorityFolder.read(folder)
      : authorityFolder.create(folder, { name, trustDomain, notBefore: now - EARLIER_MILLIS, notAfter })
    if (made.name !== name || made.trustDomain !== trustDomain) {
      return yield* new BadUsage({
        problem: `--ca-dir: ${folder} is the authority ${made.name} of ${made.trustDomain} already: nothing was changed`
      })
    }
    yield* tell(
      given.json,
      { made: !isThere, folder, name, trust_domain: trustDomain, ends_at: textOf(made.endsAt) },
      `${isThere ? "there is" : "made"} the authority ${name} of ${trustDomain} in ${folder}, until ${
        textOf(made.endsAt)
      }`
    )
  })).pipe(Command.withDescription("Make an authority; one that is there is left as it is."))

const hosts = Options.text("hosts").pipe(
  Options.withPseudoName("hosts"),
  Options.withDescription("Names and addresses under which the node is reached, separated by commas.")
)

const issue = Command.make(
  "issue",
  { caDir, nodeId, hosts, out, expires: expires("90d"), json },
  (given) =>
    Effect.gen(function*() {
      const { nodeId, out } = given
      const authority = yield* authorityIn(given.caDir)
      if (!keyDirectory.isSpeaker(nodeId)) {
        return yield* new BadUsage({ problem: `--node-id: ${nodeId} is an id that no node may have` })
      }
      const wanted = {
        nodeId,
        hosts: yield* hostsOf(given.hosts),
        ...yield* timesOf(authority, given.expires)
      }
      const here = yield* identityFolder.nodeOf(out)
      if (here !== undefined && here.node_id !== nodeId) {
        return yield* new BadUsage({ problem: `--out: ${out} is the folder of ${here.node_id}` })
      }
      const good = authorityFolder.goodKeysOf(authority, nodeId)
      const held = here === undefined ? Option.none() : yield* identityFolder.keyOf(out, nodeId)
      if (Option.exists(held, ({ publicKey }) => good.has(publicKey.hex))) {
        const latest = Option.getOrThrow(authorityFolder.latestOf(authority, nodeId))
        return yield* tell(
          given.json,
          { issued: false, node_id: nodeId, folder: out, key: latest.key, ends_at: textOf(latest.ends_at) },
          `${nodeId} has what it needs in ${out}, until ${
            textOf(latest.ends_at)
          }: quorate ca renew gives it a later end`
        )
      }
      if (good.size > 0) {
        return yield* new BadUsage({
          problem:
            `--node-id: ${nodeId} has a key that is good: renew it in its folder, or revoke it before it gets another one`
        })
      }
      const gives = (folder: string) =>
        Effect.flatMap(
          identityFolder.makeKey(folder, nodeId),
          ({ publicKey }) => give(authority, folder, { ...wanted, publicKey })
        )
      const one = yield* here === undefined ? authorityFolder.whole(out, gives) : gives(out)
      yield* tell(
        given.json,
        { issued: true, node_id: nodeId, folder: out, key: one.key, ends_at: textOf(one.ends_at) },
        `issued to ${nodeId} in ${out}, until ${textOf(one.ends_at)}`
      )
    })
).pipe(Command.withDescription("Make the folder of a node: its keys, certificate and credential."))

const renew = Command.make(
  "renew",
  { caDir, out, hosts: Options.optional(hosts), expires: expires("90d"), json },
  (given) =>
    Effect.gen(function*() {
      const { out } = given
      const authority = yield* authorityIn(given.caDir)
      const here = yield* identityFolder.nodeOf(out)
      if (here === undefined) {
        return yield* new BadUsage({ problem: `--out: ${out} is no folder of a node: quorate ca issue makes one` })
      }
      const held = yield* identityFolder.keyOf(out, here.node_id)
      const latest = authorityFolder.latestOf(authority, here.node_id)
      const good = authorityFolder.goodKeysOf(authority, here.node_id)
      if (Option.isNone(held) || Option.isNone(latest) || !good.has(held.value.publicKey.hex)) {
        return yield* new BadUsage({
          problem:
            `--out: the key in ${out} is revoked, or none of this authority's: quorate ca issue gives another one`
        })
      }
      const one = yield* give(authority, out, {
        nodeId: here.node_id,
        publicKey: held.value.publicKey,
        hosts: Option.isNone(given.hosts) ? latest.value.hosts : yield* hostsOf(given.hosts.value),
        ...yield* timesOf(authority, given.expires)
      })
      yield* tell(
        given.json,
        { renewed: true, node_id: here.node_id, folder: out, key: one.key, ends_at: textOf(one.ends_at) },
        `renewed ${here.node_id} in ${out}, until ${textOf(one.ends_at)}`
      )
    })
).pipe(Command.withDescription("Give a node a certificate and a credential with a later end, for the key that it has."))

const revoke = Command.make("revoke", {
  caDir,
  nodeId,
  lastValid: Options.text("last-valid").pipe(
    Options.withPseudoName("origin=number,..."),
    Options.withDescription(
      "What counts of what was sealed with the key, by origin, up to a number. Default: nothing."
    ),
    Options.optional
  ),
  file: Options.text("revocations-file").pipe(
    Options.withPseudoName("file"),
    Options.withDescription("Another file to which it is added: that of any node, which tells all others."),
    Options.optional
  ),
  json
}, (given) =>
  Effect.gen(function*() {
    const authority = yield* authorityIn(given.caDir)
    const { nodeId } = given
    const texts = yield* authorityFolder.revoke(authority, {
      nodeId,
      lastValid: yield* lastValidOf(Option.getOrElse(given.lastValid, () => "")),
      nowMillis: yield* Clock.currentTimeMillis
    })
    if (texts.length === 0 && Option.isNone(authorityFolder.latestOf(authority, nodeId))) {
      return yield* new BadUsage({ problem: `--node-id: nothing was ever issued to ${nodeId}` })
    }
    const ofNode = texts.length > 0
      ? texts
      : authority.revocations.all().filter((one) => one.nodeId === nodeId).map(({ text }) => text)
    if (Option.isSome(given.file)) yield* authorityFolder.append(given.file.value, nodeId, ofNode)
    const file = authorityFolder.revocationsOf(given.caDir)
    yield* tell(
      given.json,
      { revoked: texts.length, node_id: nodeId, file, revocations: ofNode },
      texts.length === 0
        ? `${nodeId} is revoked already: ${file} says so`
        : `${texts.length} key(s) of ${nodeId} are revoked: ${file} says so` +
          (Option.isSome(given.file) ? `, and ${given.file.value}` : "; give it to a node as its --revocations-file")
    )
  })).pipe(Command.withDescription("Say that the keys of a node are not good any more."))

const show = Command.make("show", { caDir, json }, (given) =>
  Effect.gen(function*() {
    const authority = yield* authorityIn(given.caDir)
    const now = yield* Clock.currentTimeMillis
    const all = authority.issued.map((one) => ({
      node_id: one.node_id,
      key: one.key,
      certificate: one.certificate,
      hosts: one.hosts,
      ends_at: textOf(one.ends_at),
      state: authority.revocations.isKey(Buffer.from(one.key, "hex")) ? "revoked" : one.ends_at < now ? "ended" : "good"
    }))
    const { endsAt, name, trustDomain } = authority
    yield* tell(
      given.json,
      { folder: given.caDir, name, trust_domain: trustDomain, ends_at: textOf(endsAt), issued: all },
      [
        `${name} of ${trustDomain}, until ${textOf(endsAt)}`,
        ...all.map(({ ends_at, hosts, key, node_id, state }) =>
          `${node_id}  ${state}  until ${ends_at}  key ${key.slice(0, 8)}  ${hosts.join(",")}`
        )
      ].join("\n")
    )
  })).pipe(Command.withDescription("Show what was issued, and what of it is good."))

const tell = (isJson: boolean, object: Record<string, unknown>, text: string) =>
  Console.log(isJson ? JSON.stringify(object) : text)

const textOf = (millis: number): string => Stamp.fromMillis(millis)

interface Wanted {
  readonly nodeId: string
  readonly publicKey: PublicKey
  readonly hosts: ReadonlyArray<string>
  readonly notBefore: number
  readonly notAfter: number
}

/** Issues a certificate and a credential, and puts them into the folder of the node. */
const give = (authority: authorityFolder.Authority, folder: string, wanted: Wanted) =>
  Effect.gen(function*() {
    const { issuer, pair, trustDomain } = authority
    const { hosts, nodeId, notAfter, notBefore, publicKey } = wanted
    const { certificate, fingerprint, key } = yield* x509.issue(pair, {
      nodeId,
      trustDomain,
      hosts,
      notBefore,
      notAfter
    })
    const one = {
      node_id: nodeId,
      key: publicKey.hex,
      certificate: fingerprint,
      hosts,
      issued_at: notBefore + EARLIER_MILLIS,
      ends_at: notAfter
    }
    yield* authorityFolder.remember(authority, one)
    yield* identityFolder.put(folder, {
      node_id: nodeId,
      trust_domain: trustDomain,
      credential: credential.issue({
        subjectId: nodeId,
        subjectKey: publicKey.raw,
        trustDomain,
        notBefore: Math.floor(notBefore / 1_000),
        notAfter: Math.floor(notAfter / 1_000)
      }, issuer),
      certificate,
      secret: key,
      authorities: pair.certificate,
      issuer: { name: issuer.id, raw: issuer.signer.publicKey.raw }
    })
    return one
  })

const endOf = (text: string, nowMillis: number) =>
  Option.match(Option.filter(momentOf(text, nowMillis), (at) => Stamp.toMillis(at) > nowMillis), {
    onNone: () =>
      new BadUsage({
        problem: "--expires: expected days as in 90d, hours as in 12h, or a time of RFC 3339 that is yet to come"
      }),
    onSome: (at) => Effect.succeed(Stamp.toMillis(at))
  })

const timesOf = ({ endsAt }: authorityFolder.Authority, text: string) =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const notAfter = yield* endOf(text, now)
    return notAfter <= endsAt
      ? { notBefore: now - EARLIER_MILLIS, notAfter }
      : yield* new BadUsage({ problem: `--expires: the authority itself ends before, at ${textOf(endsAt)}` })
  })

const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i
const MAX_HOSTS = 32

const hostsOf = (text: string) => {
  const hosts = text.split(",").map((host) => host.trim())
  return hosts.length <= MAX_HOSTS && hosts.every((host) => isIP(host) !== 0 || HOST.test(host))
    ? Effect.succeed(hosts)
    : new BadUsage({ problem: `--hosts: expected 1..${MAX_HOSTS} names or addresses, separated by commas` })
}

const lastValidOf = (text: string) =>
  Effect.forEach(text === "" ? [] : text.split(","), (entry) => {
    const [, origin, last] = /^\s*(\S{1,512})=([0-9]{1,15})\s*$/.exec(entry) ?? []
    return origin === undefined
      ? new BadUsage({ problem: "--last-valid: expected origin=number, separated by commas" })
      : Effect.succeed([origin, Number(last)] as const)
  }).pipe(Effect.map((entries) => new Map(entries)))
