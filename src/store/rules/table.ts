import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import type { Rule } from "../../access/rules.js"
import * as statements from "../log/statements.js"

/*
 * The rules of the operator in the database of a node, in the table of the original. Whoever changes it raises its version.
 */

const Bytes = Schema.declare((input: unknown): input is Buffer => Buffer.isBuffer(input))
const Stored = Schema.Struct({
  id: Schema.String,
  kind: Schema.String,
  matcher: Schema.String,
  severity: Schema.String,
  reason: Schema.String,
  namespace: Schema.String,
  created_by: Schema.String,
  created_at: Schema.Int,
  enabled: Schema.Int,
  signature: Schema.NullOr(Bytes),
  attest_level: Schema.String
})
const COLUMNS = Object.keys(Stored.fields)

const ruleOf = ({ attest_level, created_at, created_by, enabled, ...rest }: typeof Stored.Type): Rule => ({
  ...rest,
  createdBy: created_by,
  createdAt: created_at,
  enabled: enabled === 1,
  attestLevel: attest_level
})

/** All rules, by their ids. */
export const all = (db: Database.Database): () => ReadonlyArray<Rule> => {
  const select = statements.many(db, Stored, `SELECT ${COLUMNS.join(", ")} FROM governance_rules ORDER BY id`)
  return () => select().map(ruleOf)
}

/** Another one than before when a rule was changed since. */
export const version = (db: Database.Database): () => number => {
  const select = statements.one(
    db,
    Schema.Struct({ version: Schema.Int }),
    "SELECT version FROM governance_rules_version"
  )
  return () => select()?.version ?? 0
}

/** Puts a rule there, in the place of one of the same id. */
export const put = (db: Database.Database, rule: Rule): void => {
  statements.run(
    db,
    `INSERT OR REPLACE INTO governance_rules (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map(() => "?").join(", ")})`
  )(
    rule.id,
    rule.kind,
    rule.matcher,
    rule.severity,
    rule.reason,
    rule.namespace,
    rule.createdBy,
    rule.createdAt,
    rule.enabled ? 1 : 0,
    rule.signature,
    rule.attestLevel
  )
}

export const remove = (db: Database.Database, id: string): void => {
  statements.run(db, "DELETE FROM governance_rules WHERE id = ?")(id)
}
