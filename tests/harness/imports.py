"""What a module imports, told without importing it."""

import ast


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
