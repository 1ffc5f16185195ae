// current returns the version to use, { id, value, … }, of a document that is stored as JSON.
export function current(text) {
  const { current, versions } = JSON.parse(text);
  const id = Object.hasOwn(versions, current) ? current : Object.keys(versions).at(-1);
  return { id, ...versions[id] };
}
