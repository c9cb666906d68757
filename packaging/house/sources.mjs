// The sources of a checkout, parsed one by one: no types, so that all of them take a second.
import fs from "node:fs"
import path from "node:path"
import ts from "typescript"

const SOURCE = /\.(ts|mts|mjs)$/

/** Every source below `folders` of `dir`, as `{ path, text }` with paths from `dir`. */
export const read = (dir, folders) =>
  folders.filter((folder) => fs.existsSync(path.join(dir, folder))).flatMap((folder) =>
    fs.readdirSync(path.join(dir, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && SOURCE.test(entry.name))
      .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
      .sort()
      .map((file) => ({
        path: path.relative(dir, file).split(path.sep).join("/"),
        text: fs.readFileSync(file, "utf8")
      }))
  )

/** `{ path, text, tree }` of each. */
export const parse = (files) =>
  files.map(({ path, text }) => ({
    path,
    text,
    tree: ts.createSourceFile(
      path,
      text,
      ts.ScriptTarget.ES2022,
      true,
      path.endsWith(".mjs") ? ts.ScriptKind.JS : undefined
    )
  }))

/** Calls `visit` for a node and everything below it. */
export const walk = (node, visit) => {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

export const lineOf = (tree, position) => tree.getLineAndCharacterOfPosition(position).line + 1
