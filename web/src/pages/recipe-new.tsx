import { RecipeEditor } from '@/recipes/editor'
import { slug } from '@/recipes/model'
import { SaveDialog } from '@/recipes/save-dialog'
import { useDocument } from '@/recipes/use-document'
import { Page } from '@/shell/page'
import { sourcesQuery } from '@/sources/api'
import { Button } from '@/ui/button'
import { Loading } from '@/ui/states'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'

const crumbs = [{ label: 'Recipes', to: '/recipes' }]

/** A recipe to begin with, of two sources where there are two. */
function template(aliases: readonly string[]): string {
  const [left = 'invoices', right = 'payments'] = aliases
  return `kalla: 1
recipe_id: ${slug(`${left} ${right}`)}
name: ${left} to ${right}
sources:
  left:
    alias: ${left}
    source: ${left}
    primary_key: [id]
  right:
    alias: ${right}
    source: ${right}
    primary_key: [id]
match:
  - name: same reference and amount
    cardinality: one_to_one
    when:
      - {left: reference, right: reference}
      - {left: amount, right: amount, within: "0.02"}
`
}

/** A recipe is written by hand. */
export function NewRecipe() {
  const sources = useQuery(sourcesQuery)
  if (sources.isPending)
    return (
      <Page title="New recipe" crumbs={crumbs}>
        <Loading />
      </Page>
    )
  return <Writing first={template((sources.data ?? []).map((s) => s.alias))} />
}

function Writing({ first }: { first: string }) {
  const draft = useDocument(first)
  const [saving, setSaving] = useState(false)
  const navigate = useNavigate()
  const right = draft.current && draft.checked?.valid === true
  const id = draft.checked?.recipe?.recipe_id ?? ''
  return (
    <Page
      title="New recipe"
      crumbs={crumbs}
      about="Write it as YAML; the words follow. Ctrl Space offers what may stand at a place."
      actions={
        <Button
          look="primary"
          disabled={!right}
          title={right ? undefined : 'It can be saved once nothing is wrong with it'}
          onClick={() => setSaving(true)}
        >
          Save
        </Button>
      }
    >
      <RecipeEditor draft={draft} readOnly={false} />
      <SaveDialog
        open={saving}
        onOpenChange={setSaving}
        id={id}
        document={draft.text}
        etag={null}
        onSaved={() => void navigate({ to: '/recipes/$id', params: { id } })}
        onTheirs={() => setSaving(false)}
      />
    </Page>
  )
}
