# How workerd stores a Pyodide bundle.
# Source: workerd/src/pyodide/pyodide.capnp and workerd/src/workerd/jsg/modules.capnp

@0xb1c5d7e9f0a2b3c4;

struct Bundle {
  modules @0 :List(Module);
}

struct Module {
  name @0 :Text;
  union {
    src @1 :Data;
    wasm @4 :Data;
    data @5 :Data;
    json @6 :Text;
  }
  tsDeclaration @3 :Text;
  type @2 :ModuleType;
  compileCache @7 :Data;
}

enum ModuleType {
  bundle @0;
  builtin @1;
  internal @2;
}
