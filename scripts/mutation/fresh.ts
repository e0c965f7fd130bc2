/**
 * Runs before each file of tests. The files of a run share a thread, since loading Effect anew for each would take most
 * of the time. But the sources are loaded anew: some mutants show only then.
 */
import { vi } from "vitest"

vi.resetModules()
