//! Which module of a crate takes what from which: the arrows, read from the source by a small parser.
//!
//! A module is a file; modules written inside a file belong to it. An arrow goes from the file that names something to the
//! module that it names it through: the longest beginning of the path that is a module. `use crate::a::Thing` is an arrow to
//! `a`, also where `a` has it from a `pub use`, which is an arrow of its own. Seen are `use`, and paths that begin with
//! `crate`, `self`, `super`, a module declared in the file or one that the file imported by name. `mod a;` is no arrow.
//!
//! Not seen: methods called through another file's `impl`, names that come in by a glob (the glob is an arrow), a macro's
//! name where it is called (paths in its definition count for the file of the definition), files placed by `#[path]` or
//! made by a build script. Nothing is compiled: what a `cfg` leaves out counts too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module's path in its crate; the crate's root is empty.
pub(crate) type Module = Vec<String>;

/// Where an arrow was read: the first place of it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

/// All arrows between different modules of a crate.
pub(crate) type Arrows = BTreeMap<(Module, Module), Place>;

/// A module's name for people.
pub(crate) fn name(module: &[String]) -> String {
    if module.is_empty() { "crate".to_owned() } else { module.join("::") }
}

/// Reads the crate whose root module (`lib.rs` or `main.rs`) is in the directory.
pub(crate) fn read_crate(source: &Path) -> Arrows {
    let files = files(source);
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let mut arrows = Arrows::new();
    for (module, file) in &files {
        let text = std::fs::read_to_string(file).expect("a source file is text");
        for (target, line) in read_file(&text, module, &modules) {
            let place = Place { file: file.clone(), line };
            arrows.entry((module.clone(), target)).or_insert(place);
        }
    }
    arrows
}

/// The crate's modules and their files, by the names of the files.
fn files(source: &Path) -> BTreeMap<Module, PathBuf> {
    let mut found = BTreeMap::new();
    let mut directories = vec![(source.to_owned(), Module::new())];
    while let Some((directory, module)) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a source directory can be listed") {
            let path = entry.expect("a source directory can be listed").path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a source file's name is text");
            let mut child = module.clone();
            if path.is_dir() {
                child.push(stem.to_owned());
                directories.push((path, child));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                if !(stem == "mod" || module.is_empty() && matches!(stem, "lib" | "main")) {
                    child.push(stem.to_owned());
                }
                found.insert(child, path);
            }
        }
    }
    found
}

/// The modules that one file takes something from, with the line.
pub(crate) fn read_file(text: &str, module: &Module, modules: &BTreeSet<Module>) -> Vec<(Module, usize)> {
    let tokens = tokens(text);
    let mut imported = BTreeMap::new();
    let mut found = Vec::new();
    // Twice: a name may be used above the line that imports it.
    for _ in 0..2 {
        let mut file =
            File { tokens: &tokens, module, modules, imported, inside: Vec::new(), found: Vec::new() };
        file.read();
        (imported, found) = (file.imported, file.found);
    }
    found.retain(|(target, _)| target != module);
    found
}

struct File<'a> {
    tokens: &'a [(String, usize)],
    module: &'a Module,
    modules: &'a BTreeSet<Module>,
    /// Modules that the file imported by name.
    imported: BTreeMap<String, Module>,
    /// Modules written inside the file that we are in, with the depth of braces around each.
    inside: Vec<(String, usize)>,
    found: Vec<(Module, usize)>,
}

impl File<'_> {
    fn token(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |(token, _)| token)
    }

    fn read(&mut self) {
        let (mut at, mut depth) = (0, 0);
        while at < self.tokens.len() {
            let before = if at == 0 { "" } else { self.token(at - 1) };
            match self.token(at) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    self.inside.retain(|(_, outside)| *outside < depth);
                }
                "mod" if self.token(at + 2) == "{" => {
                    self.inside.push((self.token(at + 1).to_owned(), depth));
                    at += 1;
                }
                "use" => {
                    at = self.read_use(at + 1, &[]);
                    continue;
                }
                "in" if before == "(" => at += 1,
                word if is_word(word) && before != "::" && before != "." && self.token(at + 1) == "::" => {
                    let line = self.tokens[at].1;
                    let mut path = vec![word.to_owned()];
                    while self.token(at + 1) == "::" && is_word(self.token(at + 2)) {
                        path.push(self.token(at + 2).to_owned());
                        at += 2;
                    }
                    self.arrow(&path, line);
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads a tree of `use` from `at` on, below a path; tells where it ends.
    fn read_use(&mut self, mut at: usize, above: &[String]) -> usize {
        let mut path = above.to_vec();
        let line = self.tokens.get(at).map_or(0, |(_, line)| *line);
        loop {
            match self.token(at) {
                "::" => at += 1,
                "{" => {
                    at += 1;
                    while !matches!(self.token(at), "}" | "") {
                        at = self.read_use(at, &path);
                        if self.token(at) == "," {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                "*" => {
                    self.arrow(&path, line);
                    at += 1;
                }
                "as" => {
                    let target = self.arrow(&path, line);
                    self.import(self.token(at + 1).to_owned(), &path, target);
                    return at + 2;
                }
                word if is_word(word) => {
                    // `self` at a tree's end is the path above.
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    at += 1;
                    if matches!(self.token(at), "," | ";" | "}") {
                        let target = self.arrow(&path, line);
                        self.import(path.last().cloned().unwrap_or_default(), &path, target);
                    }
                }
                _ => return at,
            }
        }
    }

    fn import(&mut self, name: String, path: &[String], target: Option<(Module, usize)>) {
        if let Some((module, used)) = target
            && used == path.len()
        {
            self.imported.insert(name, module);
        }
    }

    /// Notes the arrow that a path makes, if it goes to a module of this crate; says how much of the path is the module's.
    fn arrow(&mut self, path: &[String], line: usize) -> Option<(Module, usize)> {
        let first = path.first()?;
        let mut used = 1;
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" | "super" => {
                let mut inside = self.inside.len();
                let mut base = self.module.clone();
                let ups = path
                    .iter()
                    .skip(usize::from(first == "self"))
                    .take_while(|word| *word == "super")
                    .count();
                used = ups + usize::from(first == "self");
                for _ in 0..ups {
                    if inside > 0 {
                        inside -= 1;
                    } else {
                        base.pop()?;
                    }
                }
                if inside > 0 {
                    return None;
                }
                base
            }
            word => {
                let mut child = self.module.clone();
                child.push(word.to_owned());
                if self.inside.is_empty() && self.modules.contains(&child) {
                    child
                } else {
                    self.imported.get(word)?.clone()
                }
            }
        };
        while let Some(word) = path.get(used) {
            base.push(word.clone());
            if !self.modules.contains(&base) {
                base.pop();
                break;
            }
            used += 1;
        }
        self.found.push((base.clone(), line));
        Some((base, used))
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// The words, `::` and single signs of a source text with their lines, without comments, strings and characters.
fn tokens(text: &str) -> Vec<(String, usize)> {
    let characters: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut tokens = Vec::new();
    let next = |at: usize| characters.get(at).copied().unwrap_or('\0');
    while at < characters.len() {
        let begin = at;
        match characters[at] {
            '/' if next(at + 1) == '/' => {
                while at < characters.len() && next(at) != '\n' {
                    at += 1;
                }
            }
            '/' if next(at + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (next(at), next(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= characters.len() {
                        break;
                    }
                }
            }
            '"' => at = end_of_string(&characters, at),
            // A character, not a lifetime.
            '\'' if next(at + 1) == '\\' => {
                at += 3;
                while at < characters.len() && next(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if next(at + 2) == '\'' => at += 3,
            first if first.is_alphanumeric() || first == '_' => {
                while next(at).is_alphanumeric() || next(at) == '_' {
                    at += 1;
                }
                let word: String = characters[begin..at].iter().collect();
                let hashes = characters[at..].iter().take_while(|next| **next == '#').count();
                if matches!(word.as_str(), "r" | "br") && next(at + hashes) == '"' {
                    let end: Vec<char> =
                        std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    at += hashes + 1;
                    while at < characters.len() && !characters[at..].starts_with(&end) {
                        at += 1;
                    }
                    at += end.len();
                } else if word == "r" && hashes == 1 {
                    at += 1;
                } else {
                    tokens.push((word, line));
                }
            }
            ':' if next(at + 1) == ':' => {
                tokens.push(("::".to_owned(), line));
                at += 2;
            }
            sign => {
                if !sign.is_whitespace() {
                    tokens.push((sign.to_string(), line));
                }
                at += 1;
            }
        }
        let end = at.min(characters.len());
        line += characters[begin..end].iter().filter(|character| **character == '\n').count();
    }
    tokens
}

/// Where the string that begins at `at` is over.
fn end_of_string(characters: &[char], mut at: usize) -> usize {
    at += 1;
    while let Some(character) = characters.get(at) {
        match character {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}
