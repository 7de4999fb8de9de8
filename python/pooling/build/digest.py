"""Code digests: of everything that a function reaches, ignoring comments and layout.

The package is parsed, not run. From a function, names are followed to the functions, classes
and constants of the package that they refer to, recursively. A class counts as a whole, as does
a module if it is unclear which of its names are used. Statements at the top of a module that do
more than bind a name count wherever the module is imported. Thus an edit of a function changes
the digests of everything that reaches it, and no others.
"""

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from pooling.build.errors import ProgramError

PACKAGE = Path(__file__).parents[1]
# Docstrings of these packages are displayed, so they count as code.
SHOWN = ("figures",)
# Decorators without side effects at import.
PLAIN = {"contextmanager", "cache", "lru_cache", "dataclass"}
MAIN, EFFECTS = "if __name__", "import"  # parts without a name
Part = tuple[str, str]  # module, such as `pooling.fitting.fit`, and name in it


@dataclass
class Module:
    """The top level of a module.

    Attributes
    ----------
    parts
        For each name, the SHA-256 of its code and the dotted names in the package that it uses.
    aliases
        The dotted name that each imported name refers to.
    imports
        Dotted names that are imported together with the module.
    """

    parts: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)


def parse(path: Path, module: str) -> Module:
    """Parts of a module of the package.

    Raises
    ------
    ProgramError
        It is not Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f":{line}" if line else ""
        raise ProgramError(f"{path}{where}: not Python: {error}; correct it") from None
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    root, *inside = module.split(".")
    if not inside or inside[0] not in SHOWN:
        _drop_docstrings(tree)
    statements: dict[str, list[ast.stmt]] = {}
    found = Module()
    for node in ast.walk(tree):
        found.aliases |= dict(_imported(node, package, root))
    for statement in tree.body:
        for name in _names(statement):
            statements.setdefault(name, []).append(statement)
        if not _is_main(statement):
            inner = _outside_functions(statement)
            found.imports += [name for node in inner for _, name in _imported(node, package, root)]
    known = found.aliases | {name: f"{module}.{name}" for name in statements}
    for name, nodes in statements.items():
        text = "\n".join(map(ast.dump, nodes))
        uses = {use for node in nodes for use in _uses(node, known, root)}
        found.parts[name] = (hashlib.sha256(text.encode()).hexdigest(), sorted(uses))
    return found


def _drop_docstrings(tree: ast.Module) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and node.body and _is_text(node.body[0]):
            node.body[0] = ast.Pass()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "'__name__'" in ast.dump(node.test)


def _names(node: ast.stmt) -> list[str]:
    """Names of the parts that a statement belongs to."""
    if _is_main(node):
        return [MAIN]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        decorators = [getattr(d, "func", d) for d in node.decorator_list]
        plain = all(isinstance(d, ast.Name) and d.id in PLAIN for d in decorators)
        return [node.name] if plain else [node.name, EFFECTS]
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return []
    if _is_text(node):
        return ["__doc__"]
    assigns = isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    inner = [found for target in targets for found in _outside_functions(target)]
    bound = [n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    bound += [n.name for n in inner if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    simple = assigns and all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return bound if simple else [*bound, EFFECTS]


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that run at import, without the bodies of functions."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _outside_functions(child)


def _imported(node: ast.AST, package: str, root: str) -> Iterator[tuple[str, str]]:
    """Names that an import from the package binds, with the dotted names they refer to."""
    if isinstance(node, ast.Import):
        for name in node.names:
            if name.name.partition(".")[0] == root:
                yield (name.asname, name.name) if name.asname else (root, root)
                yield f"{name.name}!", name.name
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")
        above = parents[: len(parents) + 1 - node.level] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        if source.partition(".")[0] == root:
            for name in node.names:
                star = name.name == "*"
                yield (
                    (f"{source}!" if star else name.asname or name.name),
                    (source if star else f"{source}.{name.name}"),
                )


def _uses(node: ast.AST, known: dict[str, str], root: str) -> Iterator[str]:
    """Dotted names that a piece of code uses, as far as parsing reveals them."""
    if isinstance(node, ast.Attribute):
        path = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            path.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in known:
            yield ".".join([known[inner.id], *reversed(path)])
            return
    elif isinstance(node, ast.Name) and node.id in known:
        yield known[node.id]
    elif isinstance(node, ast.Constant) and str(node.value).startswith(f"{root}."):
        yield str(node.value)  # possibly a module imported or run by name
    if isinstance(node, ast.ImportFrom) and any(name.name == "*" for name in node.names):
        yield node.module or root
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, known, root)


class Code:
    """The modules of a package, each parsed when it is first asked for.

    Parameters
    ----------
    package
        Its folder, whose name is the package's name.
    known
        Modules already parsed, by name.
    """

    def __init__(self, package: Path = PACKAGE, known: dict[str, Module] | None = None) -> None:
        self.package = package
        self.parsed = dict(known or {})

    @cached_property
    def paths(self) -> dict[str, Path]:
        """File of each module by its dotted name."""
        found = {}
        for path in sorted(self.package.rglob("*.py")):
            inside = path.relative_to(self.package.parent).with_suffix("").parts
            found[".".join(inside[:-1] if inside[-1] == "__init__" else inside)] = path
        return found

    def module(self, name: str) -> Module:
        """A module by its dotted name."""
        if name not in self.parsed:
            self.parsed[name] = parse(self.paths[name], name)
        return self.parsed[name]

    def stages(self) -> list[str]:
        """Names of the modules that can be run."""
        return [name for name in self.paths if MAIN in self.module(name).parts]

    def reached(self, roots: Iterable[str]) -> set[Part]:
        """Everything that dotted names reach; the name of a module reaches all of it."""
        found: set[Part] = set()
        imported: set[str] = set()
        waiting: list[Part] = [part for root in roots for part in self._resolve(root)]
        while waiting:
            part = waiting.pop()
            if part in found:
                continue
            found.add(part)
            for module in self._import_closure(part[0], imported):
                if EFFECTS in self.module(module).parts:
                    waiting.append((module, EFFECTS))
            for use in self.module(part[0]).parts[part[1]][1]:
                waiting += self._resolve(use)
        return found

    def of_stage(self, module: str) -> set[Part]:
        """Everything that running a module reaches."""
        return self.reached([f"{module}.{MAIN}"])

    def digest(self, parts: Iterable[Part]) -> str:
        """SHA-256 of the code of these parts."""
        lines = (f"{m} {name} {self.module(m).parts[name][0]}\n" for m, name in sorted(parts))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _resolve(self, dotted: str) -> list[Part]:
        """The part that a dotted name refers to, or all parts of a module."""
        words = dotted.split(".")
        for length in range(len(words), 0, -1):
            if (module := ".".join(words[:length])) in self.paths:
                return self._named(module, words[length:])
        return []

    def _named(self, module: str, words: list[str]) -> list[Part]:
        there = self.module(module)
        if words and words[0] in there.parts:
            return [(module, words[0])]
        if words and words[0] in there.aliases and there.aliases[words[0]] != module:
            return self._resolve(".".join([there.aliases[words[0]], *words[1:]]))
        if words and words[0].startswith("__") and "__getattr__" not in there.parts:
            return []  # such as `__doc__` or `__file__`: not code
        return [(module, name) for name in there.parts if name != MAIN]

    def _import_closure(self, module: str, imported: set[str]) -> list[str]:
        """Modules that importing one imports and that are not yet in `imported`, which grows."""
        new, waiting = [], [module]
        while waiting:
            words = waiting.pop().split(".")
            for length in range(1, len(words) + 1):
                name = ".".join(words[:length])
                if name in self.paths and name not in imported:
                    imported.add(name)
                    new.append(name)
                    waiting += self.module(name).imports
        return new


def code_digest(*functions: Callable) -> str:
    """Digest of everything that functions of this package reach, for the keys of cached results."""
    code = Code()
    names = {path.resolve(): name for name, path in code.paths.items()}
    roots, others = [], []
    for function in functions:
        path = Path(inspect.getfile(function)).resolve()
        if module := names.get(path):
            roots.append(f"{module}.{function.__qualname__}")
        else:  # from outside the package, such as a notebook
            others.append(inspect.getsource(function))
    return code.digest(code.reached(roots)) + "".join(others)


def as_json(modules: dict[str, Module]) -> dict[str, dict]:
    """Parsed modules as JSON can hold them."""
    return {name: asdict(module) for name, module in modules.items()}
