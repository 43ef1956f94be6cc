import type { Role } from '@/lib/api'

/** The roles, from the least to the greatest: each may do all that those before it may. */
export const roles: { value: Role; label: string; hint: string }[] = [
  { value: 'viewer', label: 'Viewer', hint: 'reads sources, recipes, runs and records' },
  { value: 'preparer', label: 'Preparer', hint: 'the same, and adds sources, writes recipes and runs them' },
  { value: 'approver', label: 'Approver', hint: 'the same, and signs off runs and reads the audit log' },
  { value: 'admin', label: 'Administrator', hint: 'everything, with users and settings' },
]
