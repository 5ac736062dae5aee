// Rows of text, which is all that they can be: names and reasons come from outside.
export default {
  template: `
    <table class="plain-table">
      <caption class="unseen">{{ title }}</caption>
      <thead><tr><th v-for="name in columns" scope="col">{{ name }}</th></tr></thead>
      <tbody>
        <tr v-for="row in rows" :class="{ strong: row.strong }">
          <template v-for="(cell, place) in row.cells">
            <th v-if="place === 0" scope="row">
              <button v-if="row.frame" type="button" class="as-link" @click="$emit('pick', { frame: row.frame })">{{ cell }}</button>
              <template v-else>{{ cell }}</template>
            </th>
            <td v-else>{{ cell }}</td>
          </template>
        </tr>
        <tr v-if="!rows.length"><td :colspan="columns.length" class="quiet">{{ empty }}</td></tr>
      </tbody>
    </table>`,
  props: { title: String, columns: Array, rows: Array, empty: String },
};
