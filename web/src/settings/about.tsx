import { aboutQuery } from '@/lib/me'
import { ErrorState, Loading } from '@/ui/states'
import { KeyValue } from '@/ui/values'
import { useQuery } from '@tanstack/react-query'
import { Panel } from './panel'

const stores = { postgres: 'PostgreSQL', sqlite: 'SQLite, in the data folder' }
const modes = {
  up: 'kalla up: app, scheduler and engine in one process',
  serve: 'kalla serve: the app, with a scheduler of its own process',
}

/** What this installation is, and where it keeps what. */
export function About() {
  const about = useQuery(aboutQuery)
  if (about.error && !about.data) return <ErrorState error={about.error} onRetry={() => void about.refetch()} />
  if (!about.data) return <Loading />
  const { version, mode, store, storage, oidc } = about.data
  return (
    <>
      <Panel title="Kalla">
        <KeyValue
          items={[
            { label: 'Version', value: <span className="num">{version}</span> },
            { label: 'Started as', value: modes[mode] },
            { label: 'Sign-in', value: oidc ? 'password, OpenID Connect' : 'password' },
            {
              label: 'API',
              value: (
                <a href="/openapi.json" className="text-accent underline">
                  /openapi.json
                </a>
              ),
            },
          ]}
        />
      </Panel>
      <Panel title="Storage" about="Back up both together: the database refers to the evidence.">
        <KeyValue
          items={[
            { label: 'Database', value: stores[store] },
            { label: 'Evidence, uploads', value: <code className="font-mono text-xs break-all">{storage}</code> },
          ]}
        />
      </Panel>
    </>
  )
}
