// One of several things that a part measures by themselves.

/** A step whose failure says which one it was. */
export const named = (name, step) => () =>
  step().catch((error) => {
    throw new Error(`${name}: ${error.message}`)
  })
