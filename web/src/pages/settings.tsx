import { useMe, type Permission } from '@/lib/me'
import { About } from '@/settings/about'
import { Audit } from '@/settings/audit'
import { Engine } from '@/settings/engine'
import { OwnAccount } from '@/settings/own-account'
import { Tokens } from '@/settings/tokens'
import { Users } from '@/settings/users'
import { NotFound, Page } from '@/shell/page'
import { cx } from '@/ui/cx'
import { EmptyState } from '@/ui/states'
import { getRouteApi, Link } from '@tanstack/react-router'
import { Lock } from 'lucide-react'
import type { ComponentType } from 'react'

interface Section {
  id: string
  label: string
  needs: Permission
  /** Who has the permission. */
  role: string
  content: ComponentType
}

const sections: Section[] = [
  { id: 'account', label: 'Your account', needs: 'account', role: 'viewer', content: OwnAccount },
  { id: 'tokens', label: 'API tokens', needs: 'account', role: 'viewer', content: Tokens },
  { id: 'users', label: 'Users', needs: 'users.admin', role: 'admin', content: Users },
  { id: 'engine', label: 'Engine', needs: 'read', role: 'viewer', content: Engine },
  { id: 'audit', label: 'Audit log', needs: 'audit.read', role: 'approver', content: Audit },
  { id: 'about', label: 'About', needs: 'read', role: 'viewer', content: About },
]

const route = getRouteApi('/settings/$section')

/** The settings, in sections of which one sees those that one may. */
export function Settings() {
  const { section: id } = route.useParams()
  const { permissions, role } = useMe()
  const section = sections.find((s) => s.id === id)
  if (!section) return <NotFound />
  return (
    <Page title="Settings">
      <div className="flex gap-8 max-md:flex-col max-md:gap-4">
        <nav aria-label="Settings" className="md:w-44 md:shrink-0">
          <ul className="flex gap-0.5 max-md:-mx-4 max-md:overflow-x-auto max-md:px-4 md:flex-col">
            {sections
              .filter((s) => permissions.includes(s.needs))
              .map((s) => (
                <li key={s.id}>
                  <Link
                    to="/settings/$section"
                    params={{ section: s.id }}
                    className={cx(
                      'flex h-8 items-center rounded-md px-2.5 text-sm whitespace-nowrap pointer-coarse:h-10',
                      s === section ? 'bg-hover font-medium' : 'text-muted hover:bg-hover hover:text-fg',
                    )}
                    aria-current={s === section ? 'page' : undefined}
                  >
                    {s.label}
                  </Link>
                </li>
              ))}
          </ul>
        </nav>
        <div className="flex min-w-0 flex-1 flex-col gap-4 md:max-w-4xl">
          {permissions.includes(section.needs) ? (
            <section.content />
          ) : (
            <div className="card">
              <EmptyState icon={<Lock size={18} />} title="You may not see this">
                This takes the role {section.role}, and yours is {role}. Ask an administrator for it.
              </EmptyState>
            </div>
          )}
        </div>
      </div>
    </Page>
  )
}
