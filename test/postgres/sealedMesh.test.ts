import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Either from "effect/Either"
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { request } from "node:https"
import { join } from "node:path"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as Certificates from "../certificates.js"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as mesh from "./mesh.js"
import * as Site from "./site.js"

/*
 * The same mesh over mutual TLS, in which nothing counts that is not signed and sealed. The three daemons are one node and have one
 * key, that of the site, and each a certificate of its own.
 */

const SITE = "site"
const IDS = [SITE, "four", "five"] as const
/** A certificate is of a process. */
const NAMES = ["site-1", "site-2", "site-3", "four", "five", "stranger"] as const

const nameOf = (index: number) => NAMES[index] ?? assert.fail(`no member ${index}`)
const idOf = (index: number) => index < mesh.DAEMONS ? SITE : nameOf(index)

/** The folder of each node with its own secret, and the keys of all. */
const makeKeys = (folder: string) => {
  const folderOf = (id: string) => join(folder, `keys-${id}`)
  for (const id of IDS) {
    mkdirSync(folderOf(id), { mode: 0o700 })
    Either.getOrThrow(keyDirectory.generate(folderOf(id), id, { replace: false }))
  }
  for (const id of IDS) {
    for (const at of IDS) {
      if (at !== id) copyFileSync(join(folderOf(id), `${id}.pub`), join(folderOf(at), `${id}.pub`))
    }
  }
  return folderOf
}

const heldIn = ({ db }: Cluster.Member) => {
  const file = new Database(db, { readonly: true })
  try {
    return {
      vector: file.prepare("SELECT origin, entry, sealed FROM version_vector ORDER BY origin").all().map(api.record),
      digests: file.prepare("SELECT bucket, sum FROM digests WHERE sum <> 0 ORDER BY bucket").all()
    }
  } finally {
    file.close()
  }
}

/** By its file: what nodes ask of each other is for those alone that sign. */
const standing = async (member: Cluster.Member): Promise<string> => {
  await Site.read(member.url, "/memories?limit=1")
  return JSON.stringify(heldIn(member))
}

let ports: ReadonlyArray<number> = []
let certificates: Awaited<ReturnType<typeof Certificates.make<typeof NAMES[number]>>>

const sealed = async (): Promise<mesh.Ways> => {
  ports = await Cluster.freePorts(mesh.MEMBERS)
  certificates = await Certificates.make(NAMES)
  const { folder, of, remove } = certificates
  const members = NAMES.slice(0, mesh.MEMBERS).map(of)
  const authorities = join(folder, "authorities.pem")
  writeFileSync(authorities, members.map(({ cert }) => readFileSync(cert, "utf8")).join("\n"))
  const allowed = join(folder, "allowed")
  writeFileSync(allowed, members.map(({ fingerprint }) => fingerprint).join("\n"))
  const keysOf = makeKeys(folder)
  return {
    flags: (index) => {
      const { cert, key } = of(nameOf(index))
      return [
        ...["--node-id", idOf(index), "--key-dir", keysOf(idOf(index)), "--require-signatures", "all"],
        ...["--peer-listen", `127.0.0.1:${ports[index]}`, "--peer-tls-cert", cert, "--peer-tls-key", key],
        ...["--peer-mtls-allowlist", allowed, "--quorum-ca-cert", authorities],
        ...["--quorum-client-cert", cert, "--quorum-client-key", key]
      ]
    },
    addresses: () => ports.map((port) => `https://127.0.0.1:${port}`),
    standing,
    remove
  }
}

/** The status that a node answers to somebody with that certificate and no signature; null where nothing is answered. */
const asked = (port: number, name: typeof NAMES[number]): Promise<number | null> =>
  new Promise((resolve) => {
    const { cert, key } = certificates.of(name)
    request({
      host: "127.0.0.1",
      port,
      path: "/api/v1/sync/hello",
      headers: { "x-peer-id": "four" },
      cert: readFileSync(cert),
      key: readFileSync(key),
      // Whom one asks is not what is in question.
      rejectUnauthorized: false
    }, (response) => {
      response.resume()
      resolve(response.statusCode ?? null)
    }).once("error", () => resolve(null)).end()
  })

describe("a site in a mesh over mutual TLS whose nodes sign and seal", () => {
  const members = mesh.holds(sealed)

  it("all of which have the seal of each operation, also of those that another daemon of the site was told", async () => {
    for (const member of members()) {
      await standing(member)
      const { vector } = heldIn(member)
      assert.isAbove(vector.length, mesh.DAEMONS)
      for (const { entry, origin, sealed } of vector) {
        assert.strictEqual(sealed, entry, `${String(origin)} at ${member.db}`)
      }
    }
  })

  it("in which nobody is heard without a certificate of it, nor without a signature", async () => {
    for (const port of ports) {
      assert.isNull(await asked(port, "stranger"))
      assert.strictEqual(await asked(port, "four"), 401)
    }
  })
})
