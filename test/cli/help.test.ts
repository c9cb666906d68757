import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { completionsOf, shells } from "../../src/cli/help/completions.js"
import { examples } from "../../src/cli/help/examples.js"
import { groups } from "../../src/cli/help/groups.js"
import { manOf } from "../../src/cli/help/man.js"
import { everywhere, helpOf } from "../../src/cli/help/text.js"
import { all, find } from "../../src/cli/help/tree.js"
import { tree } from "../../src/cli/quorate.js"
import { problemOf, wordProblemOf, wordsIn } from "../../src/cli/usage.js"
import { knobs } from "../../src/config/knobs.js"
import { quorate } from "./program.js"

/* Help, the page of the manual and completions: all of one tree, and nothing is missing in any of them. */

const screen = { width: 80, bold: (text: string) => text, dim: (text: string) => text }
const program = tree()
const commands = all(program).slice(1)
const leaves = commands.filter(({ commands }) => commands.length === 0)
const wordsOf = (path: ReadonlyArray<string>) => path.join(" ")

/** The words of a line as a shell has them, for examples: quotes hold words together. */
const shellWords = (line: string): ReadonlyArray<string> =>
  Array.from(
    line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
    ([, double, single, plain]) => double ?? single ?? plain ?? ""
  )

const isThere = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0

describe("what commands say of themselves", () => {
  it("is of all of them, each in one group", () => {
    assert.isAtLeast(leaves.length, 45)
    assert.deepStrictEqual(
      groups.flatMap(({ names }) => names).toSorted(),
      program.commands.map(({ name }) => name).toSorted()
    )
  })

  it.each(commands.map((node) => [wordsOf(node.path), node] as const))(
    "names every flag of %s, and fits a screen",
    (_, node) => {
      const help = helpOf(node, screen)
      assert.isNotEmpty(node.description)
      for (const { description, name } of [...node.flags, ...node.arguments, ...everywhere]) {
        assert.include(help, name)
        assert.isNotEmpty(description, name)
      }
      for (const line of help.split("\n")) {
        if (!line.startsWith("  quorate rules add ")) assert.isAtMost(line.length, 100, line)
      }
    }
  )

  it("has examples that the program takes", () => {
    const own = new Set([...knobs.map(({ name }) => `--${name}`), ...everywhere.map(({ name }) => name), "--config"])
    for (const { path } of leaves) assert.isNotEmpty(examples[wordsOf(path)], wordsOf(path))
    for (const [path, lines] of Object.entries(examples)) {
      for (const line of lines) {
        const [, text = ""] = /(?:^|\| )quorate (.*?)(?: \||$)/.exec(line) ?? []
        const args = shellWords(text)
        const node = find(program, args)
        assert.strictEqual(wordsOf(node.path), path)
        assert.isUndefined(problemOf(args), line)
        assert.isUndefined(wordProblemOf(program, args), line)
        if (node.arguments.length === 0) assert.deepStrictEqual(wordsIn(args), node.path, line)
        for (const flag of args.filter((arg) => arg.startsWith("--"))) {
          assert.isTrue(own.has(flag) || node.flags.some(({ name }) => name === flag), `${flag} in ${line}`)
        }
      }
    }
  })

  it("is a page for man, with every command, flag and argument", () => {
    const page = manOf(program)
    const plain = page.replaceAll("\\-", "-")
    for (const { arguments: args, flags, path } of commands) {
      const at = plain.indexOf(`.SS quorate ${wordsOf(path)}`)
      assert.isAtLeast(at, 0, wordsOf(path))
      const section = plain.slice(at, plain.indexOf("\n.S", at + 1))
      for (const { name } of [...flags, ...args]) assert.include(section, `.B ${name}`, wordsOf(path))
    }
    for (const line of page.split("\n")) assert.match(line, /^(?:\.(?:TH|SH|SS|TP|PP|EX|EE|B)(?: |$)|(?![.'])|$)/)
    if (isThere("groff")) {
      const { status, stderr } = spawnSync("groff", ["-man", "-ww", "-z"], { input: page, encoding: "utf8" })
      assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
    }
  })
})

describe("completions", () => {
  it.each(shells)("are a script that %s can read", async (shell) => {
    const { code, stdout } = await quorate(["--completions", shell])
    assert.strictEqual(code, 0)
    assert.strictEqual(stdout, completionsOf(program, shell))
    if (!isThere(shell)) return console.log(`skipped: 1, there is no ${shell} here`)
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-completions-"))
    const file = path.join(folder, "script")
    fs.writeFileSync(file, stdout)
    const { status, stderr } = spawnSync(shell, ["-n", file], { encoding: "utf8" })
    fs.rmSync(folder, { recursive: true })
    assert.deepStrictEqual({ status, stderr }, { status: 0, stderr: "" })
  })

  it("offer what can come next", () => {
    if (!isThere("bash")) return console.log("skipped: 1, there is no bash here")
    const offered = (...words: ReadonlyArray<string>) => {
      const line = ["quorate", ...words].map((word) => `'${word}'`).join(" ")
      const script = `${completionsOf(program, "bash")}\nCOMP_WORDS=(${line})\nCOMP_CWORD=${words.length}\n_quorate\n` +
        `printf '%s\\n' "\${COMPREPLY[@]}"`
      const { stderr, stdout } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8" })
      assert.strictEqual(stderr, "")
      return stdout.trimEnd().split("\n")
    }
    assert.deepStrictEqual(offered("re"), ["release", "revert", "recall", "restore"])
    assert.deepStrictEqual(offered("conflicts", ""), ["list", "show", "resolve", ...everywhere.map(({ name }) => name)])
    assert.deepStrictEqual(offered("store", "--ti"), ["--title", "--tier"])
    assert.deepStrictEqual(offered("store", "--title", "list", "--on"), ["--on-conflict"])
  })

  it("are refused for another shell", async () => {
    const { code, stderr } = await quorate(["--completions", "tcsh"])
    assert.strictEqual(code, 2)
    assert.include(stderr, "--completions must be one of sh, bash, zsh, fish")
  })
})
