"""What a module imports, told without importing it."""

import ast
from pathlib import Path


def imported_modules(source: str) -> set[str]:
    """Name the modules that a module imports by whatever way, but for those beside it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module)
            case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name))]):
                found.add(name)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(name))],
            ):
                found.add(name)
    return found


def imported_packages(source: str) -> set[str]:
    """Name the packages that they are in."""
    return {module.partition(".")[0] for module in imported_modules(source)}


def imported_files(root: Path, module: str) -> set[str]:
    """Name the modules below a folder that one of them imports: all by their paths below it."""
    source = (root / module).read_text("utf-8")
    found = imported_modules(source)
    package = module.removesuffix(".py").split("/")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            place = [*(package[: -node.level] if node.level else ()), *filter(None, [node.module])]
            found |= {".".join(place), *(".".join([*place, name.name]) for name in node.names)}
    paths = {f"{name.replace('.', '/')}.py" for name in found}
    return {path for path in paths if (root / path).exists()}


def changes_imports(source: str) -> bool:
    """Check whether a module sets an attribute of what it imports, or any attribute by its name."""
    tree = ast.parse(source)
    imported = {
        (name.asname or name.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    return any(
        (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and _root(node) in imported
        )
        or (isinstance(node, ast.Call) and _root(node) == "setattr")
        for node in ast.walk(tree)
    )


def _root(node: ast.AST) -> str:
    """Name the variable that an expression begins with."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
