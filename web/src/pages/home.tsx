import { Page } from '@/shell/page'
import { KeyValue } from '@/ui/values'

/** The first page of an installation in which nothing was reconciled yet. */
export function Home() {
  return (
    <Page title="Home" about="Kalla compares two sources of records and proves what matches, what does not, and why.">
      <section className="card max-w-2xl p-4">
        <h2 className="mb-2 text-base font-semibold">From the command line</h2>
        <KeyValue
          items={[
            { label: 'See it work', value: <code className="font-mono text-xs">kalla demo</code> },
            { label: 'Draft a recipe', value: <code className="font-mono text-xs">kalla recipe init</code> },
            { label: 'Reconcile', value: <code className="font-mono text-xs">kalla run recipe.yaml</code> },
            {
              label: 'Over HTTP',
              value: (
                <a href="/openapi.json" className="text-accent underline">
                  /openapi.json
                </a>
              ),
            },
          ]}
        />
      </section>
    </Page>
  )
}
