import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Signer, signerOf } from "../../src/access/ed25519.js"
import * as rows from "../../src/store/audit/rows.js"
import { type Verdict, verify } from "../../src/store/audit/walk.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"

const signerAt = (byte: number): Signer => Option.getOrThrow(signerOf(Buffer.alloc(32, byte)))
const [own, other] = [signerAt(1), signerAt(2)]

/** A database with so many rows, signed by this one. */
const written = async (file: string, count: number, signer: Option.Option<Signer>) => {
  const append = Effect.map(Sqlite.Sqlite, ({ writer }) => {
    const sealed = Array.from({ length: count }, (_, at) =>
      rows.seal(
        { type: "federation.unknown_peer", agentId: `peer-${at}`, payload: { at } },
        { id: randomUUID(), timestamp: `2026-06-01T12:00:0${at}.000000000+00:00`, signer }
      ))
    // In two commits, as a node does.
    writer.transaction(() => rows.appending(writer)(sealed.slice(0, 2), signer))()
    writer.transaction(() => rows.appending(writer)(sealed.slice(2), signer))()
  })
  await Effect.runPromise(append.pipe(Effect.provide(Sqlite.layerWriter({ file }))))
}

const COUNT = 5

describe("going through the audit log", () => {
  const judged = async (
    change: (db: Database.Database) => void,
    options: Partial<Parameters<typeof verify>[1]> = {},
    signer: Option.Option<Signer> = Option.some(own)
  ): Promise<Verdict> => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-walk-"))
    try {
      const file = join(folder, "memory.db")
      await written(file, COUNT, signer)
      const db = new Database(file)
      db.exec("DROP TRIGGER signed_events_no_update; DROP TRIGGER signed_events_no_delete")
      change(db)
      const verdict = verify(db, { since: 1, key: Option.some(own.publicKey), noted: Option.none(), ...options })
      db.close()
      return verdict
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const breakOf = async (...given: Parameters<typeof judged>) => (await judged(...given)).chainBreak?.sequence ?? null

  it("finds nothing where nothing was changed, with a key, without one, and from the middle on", async () => {
    const sound = await judged(() => {})
    assert.deepInclude(sound, { rowsChecked: COUNT, chainBreak: null, signatureFailures: [], payloadFailures: [] })
    assert.deepInclude(sound.head, { sequence: COUNT, isSigned: true })
    const middle = await judged(() => {}, { since: 3 })
    assert.deepInclude(middle, { rowsChecked: 3, chainBreak: null, signatureFailures: [] })
    const unsigned = await judged(() => {}, {}, Option.none())
    assert.deepInclude(unsigned, { chainBreak: null, signatureFailures: [] })
    assert.isFalse(unsigned.head.isSigned)
    const unkeyed = await judged(() => {}, { key: Option.none() })
    assert.deepInclude(unkeyed, { chainBreak: null, signatureFailures: [] })
    const noted = Option.some({ sequence: COUNT, sum: sound.head.sum })
    assert.strictEqual(
      (await judged(() => {}, { noted })).chainBreak?.why,
      "the rows up to here are not those that were noted"
    )
  })

  /** One byte of a column is another one. */
  const altered: Readonly<Record<string, string>> = {
    id: "substr(id, 2) || 'x'",
    agent_id: "agent_id || 'x'",
    event_type: "replace(event_type, 'f', 'g')",
    payload_hash: "unhex(replace(hex(payload_hash), substr(hex(payload_hash), 1, 2), '00'))",
    signature: "unhex(replace(hex(signature), substr(hex(signature), 1, 2), '00'))",
    attest_level: "'daemon_signeD'",
    timestamp: "replace(timestamp, '2026', '2025')",
    prev_hash: "unhex(replace(hex(prev_hash), substr(hex(prev_hash), 1, 2), '99'))"
  }
  it.each(Object.keys(altered))("finds out when one byte of %s is another, in whichever row", async (column) => {
    for (const row of [1, 3, COUNT]) {
      const change = (db: Database.Database) => {
        const { changes } = db.prepare(`UPDATE signed_events SET ${column} = ${altered[column]} WHERE sequence = ?`)
          .run(row)
        assert.strictEqual(changes, 1)
      }
      // The row itself, or the first one that does not follow from it.
      assert.include([row, row + 1], await breakOf(change), `row ${row}`)
      assert.include([row, row + 1], await breakOf(change, { key: Option.none() }), `row ${row}, without the key`)
    }
  })

  it("finds out when a row is missing, two are exchanged, or the number of one is another", async () => {
    const remove = (sequence: number) => (db: Database.Database) =>
      void db.prepare("DELETE FROM signed_events WHERE sequence = ?").run(sequence)
    assert.strictEqual(await breakOf(remove(1)), 1)
    assert.strictEqual(await breakOf(remove(3)), 3)
    const exchange = (db: Database.Database) =>
      db.exec(`UPDATE signed_events SET sequence = 99 WHERE sequence = 2;
        UPDATE signed_events SET sequence = 2 WHERE sequence = 3; UPDATE signed_events SET sequence = 3 WHERE sequence = 99`)
    assert.strictEqual(await breakOf((db) => void exchange(db)), 2)
    assert.strictEqual(
      await breakOf((db) => void db.exec("UPDATE signed_events SET sequence = 9 WHERE sequence = 5")),
      5
    )
  })

  const truncate = (db: Database.Database) => void db.exec("DELETE FROM signed_events WHERE sequence > 3")
  it("finds out when the end is cut off, as long as the head was not put back with it", async () => {
    assert.strictEqual(await breakOf(truncate), 4)
    assert.strictEqual(await breakOf((db) => void db.exec("DELETE FROM signed_events")), 1)
    const withoutHead = (db: Database.Database) => {
      truncate(db)
      db.exec("DELETE FROM signed_events_head")
    }
    assert.strictEqual(await breakOf(withoutHead), 1)
    // Whoever has a copy of the head of then, signed as it was, can put both back: only who noted a later one knows.
    const early = mkdtempSync(join(tmpdir(), "quorate-early-"))
    const file = join(early, "memory.db")
    await written(file, 3, Option.some(own))
    cpSync(file, `${file}.then`)
    const db = new Database(`${file}.then`)
    const { head } = verify(db, { since: 1, key: Option.some(own.publicKey), noted: Option.none() })
    const known = (sum: string, sequence = 5) =>
      verify(db, { since: 1, key: Option.some(own.publicKey), noted: Option.some({ sequence, sum }) }).chainBreak
    assert.isNull(known(head.sum, 3))
    assert.strictEqual(known("0".repeat(64))?.sequence, 4)
    db.close()
    rmSync(early, { recursive: true })
  })

  it("finds out when a row was changed and the next one made to follow, and when that was signed by another", async () => {
    const rewrite = (signer: Signer | null) => (db: Database.Database) => {
      db.prepare("UPDATE signed_events SET agent_id = 'somebody else' WHERE sequence = 2").run()
      const stored = db.prepare("SELECT * FROM signed_events ORDER BY sequence").all()
      assert.lengthOf(stored, COUNT)
      const decoded = stored.map((row) => rows.rowOf(Schema.decodeUnknownSync(rows.StoredRow)(row)))
      let [previous, sum] = [rows.NO_ROW, rows.NO_ROW]
      for (const row of decoded) {
        db.prepare("UPDATE signed_events SET prev_hash = ? WHERE sequence = ?").run(previous, row.sequence)
        const hash = rows.hashOf(row)
        sum = rows.sumAfter(sum, { previous, hash })
        previous = hash
      }
      if (signer === null) return
      const signature = signer.sign(rows.headBytes({ sequence: COUNT, sum }))
      db.prepare("UPDATE signed_events_head SET sum = ?, signature = ?").run(sum, signature)
    }
    assert.strictEqual(await breakOf(rewrite(null)), COUNT)
    assert.strictEqual(await breakOf(rewrite(other)), COUNT)
    // Who has the key of the node is believed: only who noted the sum of before knows.
    const [before, after] = [await judged(() => {}), await judged(rewrite(own))]
    assert.isNull(after.chainBreak)
    assert.notStrictEqual(after.head.sum, before.head.sum)
  })

  it("lists signatures of others and payloads that were changed, which break no chain", async () => {
    const foreign = await judged(() => {}, {}, Option.some(other))
    assert.deepStrictEqual(foreign.signatureFailures, [1, 2, 3, 4, 5])
    const changed = await judged((db) =>
      void db.exec("UPDATE signed_event_payloads SET payload = '{\"at\":9}' WHERE sequence = 4")
    )
    assert.deepInclude(changed, { chainBreak: null, payloadFailures: [4] })
    // A payload that is not kept any more is no fault.
    assert.deepInclude(await judged((db) => void db.exec("DELETE FROM signed_event_payloads")), {
      chainBreak: null,
      payloadFailures: []
    })
  })
})
