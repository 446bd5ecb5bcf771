//! The shape of the sources: which crate may know which, no circles between files, and the language of comments.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate, and what must not be among its dependencies, tests' ones included, at any distance.
const MUST_NOT_KNOW: [(&str, &[&str]); 9] = [
    ("ringside-model", &["serde", "tokio"]),
    ("ringside-wire", &["ringside-engine", "tokio"]),
    ("ringside-engine", &["ringside-wire", "axum", "hyper"]),
    ("ringside-intake", &["ringside-http", "axum", "hyper"]),
    ("ringside-http", &["ringside-gateway", "ringside-collector", "ringside-access", "ringside-engine"]),
    ("ringside-access", &["axum", "ringside-http"]),
    ("ringside-fetch", &["axum", "ringside-engine"]),
    ("ringside-gateway", &["ringside-collector"]),
    ("ringside-collector", &["ringside-gateway"]),
];
/// These may stand in a crate's tests alone.
const ONLY_IN_TESTS: [(&str, &str); 3] =
    [("ringside-model", "tokio"), ("ringside-model", "serde"), ("ringside-engine", "hyper")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !matches!(name, "target" | "node_modules" | "vendor") && !name.starts_with('.') {
            found.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn each_crate_knows_only_what_it_may() {
    // Of this machine alone: the crates of others were never downloaded.
    let versions = Command::new("rustc").arg("-vV").output().unwrap();
    let versions = String::from_utf8(versions.stdout).unwrap();
    let host = versions.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--all-features", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let metadata: Value = serde_json::from_slice(&told.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<String, String> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    // The dependencies of each crate, and whether only its tests have them.
    let mut needs: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let of = node["deps"].as_array().unwrap().iter().map(|dep| {
            let kinds = dep["dep_kinds"].as_array().unwrap();
            (names[&text(&dep["pkg"])].clone(), kinds.iter().all(|kind| kind["kind"] == "dev"))
        });
        needs.insert(names[&text(&node["id"])].clone(), of.collect());
    }
    let reach = |from: &str, with_tests: bool| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<(String, bool)> = needs[from].clone();
        next.retain(|(_, dev)| with_tests || !dev);
        while let Some((name, _)) = next.pop() {
            if reached.insert(name.clone()) {
                next.extend(needs[&name].iter().filter(|(_, dev)| !dev).cloned());
            }
        }
        reached
    };
    let mut wrong = Vec::new();
    for (name, others) in MUST_NOT_KNOW {
        for other in others {
            let with_tests = !ONLY_IN_TESTS.contains(&(name, other));
            if reach(name, with_tests).contains(*other) {
                wrong.push(format!("{name} depends on {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The files of a crate by module path, with their code: no comments, no tests.
fn modules(src: &Path) -> BTreeMap<Vec<String>, String> {
    let module = |path: &Path| {
        let mut parts: Vec<String> =
            path.strip_prefix(src).unwrap().iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let last = parts.pop().unwrap();
        let stem = last.trim_end_matches(".rs");
        if !matches!(stem, "lib" | "main" | "mod") {
            parts.push(stem.to_owned());
        }
        parts
    };
    let code = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
    };
    let is_test = |module: &[String]| module.iter().any(|part| part == "tests");
    rust_files(src)
        .into_iter()
        .map(|path| (module(&path), code(&path)))
        .filter(|(module, _)| !is_test(module))
        .collect()
}

/// The paths that a `use` tree names.
fn flatten(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let mut depth = 0;
    let parts = tree.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let (path, inner) = part.split_once('{').map_or((part, None), |(path, inner)| (path, Some(inner)));
        let mut whole = prefix.to_vec();
        let path = path.split(" as ").next().unwrap();
        whole.extend(path.split("::").map(str::trim).filter(|step| !step.is_empty()).map(str::to_owned));
        match inner {
            Some(inner) => flatten(inner.rsplit_once('}').unwrap().0, &whole, found),
            None => found.push(whole),
        }
    }
}

struct Crate {
    modules: BTreeMap<Vec<String>, String>,
    /// What a module passes on, by name.
    exports: BTreeMap<(Vec<String>, String), Vec<String>>,
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut read = Self { modules: modules(src), exports: BTreeMap::new() };
        for (module, code) in &read.modules {
            for path in uses(code).into_iter().filter(|(is_export, _)| *is_export).map(|(_, path)| path) {
                if let Some(target) = read.resolve(module, &path) {
                    read.exports.insert((module.clone(), path.last().unwrap().clone()), target);
                }
            }
        }
        read
    }

    /// A path of a module as one from the crate's root; none if it leads elsewhere.
    fn resolve(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|step| *step == "super").count();
        let child = || [module, &path[..1]].concat();
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" if supers <= module.len() => Some([&module[..module.len() - supers], &path[supers..]].concat()),
            _ if self.modules.contains_key(&child()) => Some([module, path].concat()),
            _ => None,
        }
    }

    /// The module that has what a path names.
    fn home(&self, path: &[String], hops: usize) -> Option<Vec<String>> {
        let length = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        match rest.first().and_then(|name| self.exports.get(&(module.to_vec(), name.clone()))) {
            Some(target) if hops < 8 => self.home(&[target, &rest[1..]].concat(), hops + 1),
            _ => Some(module.to_vec()),
        }
    }

    /// Which modules each one needs, but for its parents and children.
    fn needs(&self) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
        let of = |module: &Vec<String>, code: &String| {
            let used = uses(code).into_iter().filter(|(is_export, _)| !is_export).map(|(_, path)| path);
            let homes = used.filter_map(|path| self.home(&self.resolve(module, &path)?, 0));
            homes.filter(|home| !module.starts_with(home) && !home.starts_with(module)).collect()
        };
        self.modules.iter().map(|(module, code)| (module.clone(), of(module, code))).collect()
    }
}

/// All `use` statements and inline paths of some code; true for those that pass something on.
fn uses(code: &str) -> Vec<(bool, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap().trim();
        let is_export = line.starts_with("pub");
        if line.is_empty() || is_export {
            let mut paths = Vec::new();
            flatten(code[at + 4..].split(';').next().unwrap(), &[], &mut paths);
            found.extend(paths.into_iter().map(|path| (is_export, path)));
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            let path: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            if !before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
                let steps: Vec<_> = path.split("::").filter(|step| !step.is_empty()).map(str::to_owned).collect();
                found.push((false, steps));
            }
        }
    }
    found
}

#[test]
fn no_two_files_of_a_crate_need_each_other() {
    let shared = fs::read_dir(root().join("shared")).unwrap().map(|entry| entry.unwrap().path().join("src"));
    let others = ["collector/src", "gateway/src", "src"].map(|src| root().join(src));
    let mut circles = Vec::new();
    for src in shared.chain(others).filter(|src| src.is_dir()) {
        let needs = Crate::read(&src).needs();
        assert!(!needs.is_empty());
        for from in needs.keys() {
            // What can be reached from a module must not lead back to it.
            let (mut reached, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                next.extend(needs[&module].iter().filter(|module| reached.insert((*module).clone())).cloned());
            }
            if reached.contains(from) {
                circles.push(format!("{}: {}", src.display(), from.join("/")));
            }
        }
    }
    assert!(circles.is_empty(), "these files are part of a circle of imports:\n{}", circles.join("\n"));
}

/// Comments that begin with a subject nobody can point at; see CONTRIBUTING.md.
#[test]
fn comments_begin_with_a_subject() {
    let begins = ["Who ", "Whoever ", "What is ", "What was ", "So many ", "So much ", "So often ", "So long "];
    let mut found = Vec::new();
    for path in rust_files(root()) {
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let comment = line.trim_start().strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']).trim());
            if comment.is_some_and(|comment| begins.iter().any(|begin| comment.starts_with(begin))) {
                found.push(format!("{}:{}: {}", path.strip_prefix(root()).unwrap().display(), number + 1, line.trim()));
            }
        }
    }
    assert!(
        found.len() <= COMMENTS_LEFT,
        "{} comments, and {COMMENTS_LEFT} are left from before:\n{}",
        found.len(),
        found.join("\n")
    );
}

/// Those that were there when the rule came; lower it with each one that goes.
const COMMENTS_LEFT: usize = 51;

/// The paths in ARCHITECTURE.md, whose last section says where to put new things, exist.
#[test]
fn architecture_names_real_files() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let tops =
        ["src/", "shared/", "gateway/", "collector/", "static/", "templates/", "tests/", "docs/", "deploy/", "fuzz/"];
    let code = text.split('`').skip(1).step_by(2);
    let paths: BTreeSet<&str> = code.filter(|code| tops.iter().any(|top| code.starts_with(top))).collect();
    assert!(paths.len() > 40, "the paths are not where they were: {paths:?}");
    let missing: Vec<_> = paths.into_iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
    let places = text.split("## Where to put new things").nth(1).unwrap();
    for thing in ["counter", "source", "page", "route", "socket message", "panel"] {
        let line = places.lines().find(|line| line.starts_with("- *") && line.contains(thing));
        let line = line.unwrap_or_else(|| panic!("it does not say where to put a {thing}"));
        assert!(line.contains('`'), "it names no file for a {thing}");
    }
}
