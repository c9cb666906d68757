import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { NotAnswered, type Refused } from "../asking/ask.js"
import { BadUsage } from "../report.js"
import type { Memory } from "./memories.js"

/**
 * A memory in the editor of whoever asks: the first line is its title, what comes after an empty line its text. Undefined where it is
 * as it was. Where the change is not made, as when somebody else made one, the file stays, and the error says where.
 */
export const edited = <A>(
  { content, id, title }: Memory,
  change: (fields: { readonly title: string; readonly content: string }) => Effect.Effect<A, Refused | NotAnswered>
): Effect.Effect<A | undefined, BadUsage | NotAnswered> =>
  Effect.gen(function*() {
    const folder = yield* attempt(() => fs.mkdtempSync(path.join(os.tmpdir(), "quorate-edit-")))
    const file = path.join(folder, `${id.slice(0, 8)}.md`)
    const before = `${title}\n\n${content}${content.endsWith("\n") ? "" : "\n"}`
    const remove = Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    yield* Effect.onError(attempt(() => fs.writeFileSync(file, before, { mode: 0o600 })), () => remove)
    yield* Effect.catchAll(open(file), ({ problem }) =>
      Effect.gen(function*() {
        const written = yield* attempt(() => fs.readFileSync(file, "utf8"))
        if (written === before) yield* remove
        return yield* new BadUsage({
          problem: written === before ? problem : `${problem}; the text is kept in ${file}`
        })
      }))
    const after = yield* attempt(() => fs.readFileSync(file, "utf8"))
    if (after === before) return yield* Effect.as(remove, undefined)
    const [first = "", ...rest] = after.split("\n")
    const text = rest.join("\n").replace(/^\n/, "").replace(content.endsWith("\n") ? "" : /\n$/, "")
    const made = yield* Effect.mapError(
      change({ title: first.trim(), content: text }),
      (error) => new NotAnswered({ why: `${explained(error)}; the text is kept in ${file}` })
    )
    return yield* Effect.as(remove, made)
  })

const attempt = <A>(what: () => A): Effect.Effect<A, BadUsage> =>
  Effect.try({
    try: what,
    catch: (cause) => new BadUsage({ problem: cause instanceof Error ? cause.message : String(cause) })
  })

const explained = (error: Refused | NotAnswered): string =>
  error._tag === "Refused" && error.status === 412
    ? "somebody else changed this memory in the meantime: look at it, and edit it again"
    : error.message

const open = (file: string): Effect.Effect<void, BadUsage> =>
  Effect.async((resume) => {
    const { EDITOR: editor = "", VISUAL: visual = "" } = process.env
    const command = [visual, editor, "vi"].find((text) => text !== "") ?? "vi"
    // As other programs do it: the variable may have arguments in it.
    const child = spawn("sh", ["-c", `${command} "$1"`, command, file], { stdio: "inherit" })
    const failed = (why: string) => resume(new BadUsage({ problem: `the editor "${command}" ${why}: set EDITOR` }))
    child.once("error", (error) => failed(`can not be started (${error.message})`))
    child.once("exit", (code) => code === 0 ? resume(Effect.void) : failed(`ended with ${code ?? "a signal"}`))
    return Effect.sync(() => child.kill())
  })
