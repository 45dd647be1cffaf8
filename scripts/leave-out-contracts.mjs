/**
 * A transformer for the TypeScript compiler that leaves contracts out: each statement that is a call of `requires`, `ensures` or
 * `invariant` of src/contracts.ts, condition and all. What a peer owes and `unreachable` stay. `hasContracts` becomes false.
 */

const LEFT_OUT = new Set(['requires', 'ensures', 'invariant']);

/** What `file` imports of src/contracts.ts to leave out, by its name there. */
function contractNames(ts, file) {
  const names = new Set();
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !/(^|\/)contracts\.js$/.test(statement.moduleSpecifier.text))
      continue;
    const bindings = statement.importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    for (const { name, propertyName } of bindings.elements) {
      if (LEFT_OUT.has((propertyName ?? name).text)) names.add(name.text);
    }
  }
  return names;
}

export function leaveOutContracts(ts) {
  return (context) => (file) => {
    const names = contractNames(ts, file);
    const isContracts = /(^|\/)src\/contracts\.ts$/.test(file.fileName);
    const visit = (node) => {
      if (
        ts.isExpressionStatement(node) &&
        ts.isCallExpression(node.expression) &&
        ts.isIdentifier(node.expression.expression) &&
        names.has(node.expression.expression.text)
      )
        return context.factory.createEmptyStatement();
      if (isContracts && ts.isVariableDeclaration(node) && node.name.getText() === 'hasContracts')
        return context.factory.updateVariableDeclaration(
          node,
          node.name,
          node.exclamationToken,
          node.type,
          context.factory.createFalse(),
        );
      return ts.visitEachChild(node, visit, context);
    };
    return ts.visitNode(file, visit);
  };
}
