/** Per-connection state of about so many bytes, as an application has it: many small values, not one long string. */
export const stateOf = (bytes) => ({
  items: Array.from(
    { length: Math.round(bytes / 45) },
    (_, i) => ({ id: i, name: `item ${i}`, at: 1_800_000_000_000 + i })
  )
})
