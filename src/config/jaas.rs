//! `sasl.jaas.config`: the login module that Java's clients are configured with, `Module required name="value" …;`.
//! Users paste it; what it says goes into the properties of this library. No sentence here repeats a value, which may
//! be a password.

use std::fmt;

use crate::config::table::shown;
use crate::secret::Secret;

/// A login module with its options.
#[derive(Clone, PartialEq, Eq)]
pub struct Jaas {
    pub module: Module,
    /// Names and values, each name once.
    pub options: Vec<(String, Secret)>,
}

impl fmt::Debug for Jaas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Jaas").field("module", &self.module).field("options", &names).finish()
    }
}

/// The login modules whose meaning is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Module {
    Plain,
    Scram,
    OauthBearer,
    Krb5,
    AwsMskIam,
}

/// Most options of a module; no module has as many.
const OPTIONS_MAX: usize = 64;

/// A module's class, the options that mean something, and those that may be there because they ask for nothing that is
/// not done anyway. An option that ends with `_` stands for all that begin so.
struct Known {
    module: Module,
    class: &'static str,
    options: &'static [&'static str],
    ignored: &'static [&'static str],
}

const MODULES: &[Known] = &[
    Known {
        module: Module::Plain,
        class: "org.apache.kafka.common.security.plain.PlainLoginModule",
        options: &["username", "password"],
        ignored: &["serviceName"],
    },
    Known {
        module: Module::Scram,
        class: "org.apache.kafka.common.security.scram.ScramLoginModule",
        options: &["username", "password", "tokenauth"],
        ignored: &["serviceName"],
    },
    Known {
        module: Module::OauthBearer,
        class: "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
        options: &[
            "clientId",
            "clientSecret",
            "scope",
            "extension_",
            "awsProfileName",
            "awsRoleArn",
            "awsRoleSessionName",
            "awsRoleExternalId",
            "awsStsRegion",
        ],
        ignored: &["serviceName", "awsDebugCreds", "awsMaxRetries", "awsMaxBackOffTimeMs"],
    },
    Known {
        module: Module::Krb5,
        class: "com.sun.security.auth.module.Krb5LoginModule",
        options: &["keyTab", "principal", "serviceName"],
        ignored: &[
            "useKeyTab",
            "useTicketCache",
            "storeKey",
            "renewTGT",
            "doNotPrompt",
            "refreshKrb5Config",
            "isInitiator",
            "useFirstPass",
            "tryFirstPass",
            "storePass",
            "clearPass",
            "debug",
        ],
    },
    Known {
        module: Module::AwsMskIam,
        class: "software.amazon.msk.auth.iam.IAMLoginModule",
        options: &["awsProfileName", "awsRoleArn", "awsRoleSessionName", "awsRoleExternalId", "awsStsRegion"],
        ignored: &["awsDebugCreds", "awsMaxRetries", "awsMaxBackOffTimeMs"],
    },
];

impl Jaas {
    pub fn option(&self, name: &str) -> Option<&Secret> {
        self.options.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The class as users write it.
    pub fn class(&self) -> &'static str {
        MODULES.iter().find(|known| known.module == self.module).map_or("", |known| known.class)
    }
}

/// Reads a login module; the error is what is wrong with it, without values.
pub fn parse(text: &str) -> Result<Jaas, String> {
    let mut words = Words { rest: text };
    let Some(Word::Bare(class)) = words.next()? else {
        return Err("it has to begin with a login module's class".into());
    };
    let class = class.reveal();
    // Old versions of Kafka had one of the classes elsewhere.
    let last = class.rsplit('.').next().unwrap_or_default();
    let known = MODULES.iter().find(|known| known.class.rsplit('.').next() == Some(last)).ok_or_else(|| {
        let classes: Vec<&str> = MODULES.iter().map(|known| known.class).collect();
        // Anything else may be a password in the wrong place.
        let named = if last.ends_with("LoginModule") { shown(class) } else { "its first word".to_owned() };
        format!("{named} is not a login module that is known here: {}", classes.join(", "))
    })?;
    match words.next()? {
        Some(Word::Bare(flag))
            if ["required", "requisite", "sufficient", "optional"].contains(&flag.reveal().to_lowercase().as_str()) => {
        }
        _ => return Err(format!("the word 'required' has to follow {last}")),
    }
    let mut options: Vec<(String, Secret)> = Vec::new();
    loop {
        let name = match words.next()? {
            Some(Word::Semicolon) => break,
            Some(Word::Bare(name)) => name,
            // A value without its name, a password with a quote inside for example: it is not repeated.
            Some(Word::Quoted(_) | Word::Equals) => {
                let after = options.last().map_or("required", |(name, _)| name.as_str());
                return Err(format!(
                    "what follows '{}' is no option (name=\"value\"); a quote inside a value is written \\\"",
                    shown(after)
                ));
            }
            None => return Err("there is no semicolon at its end".into()),
        };
        let name = name.reveal();
        if !is_among(name, known.options) && !is_among(name, known.ignored) {
            return Err(not_an_option(last, known, name, options.last().map(|(name, _)| name.as_str())));
        }
        let Some(Word::Equals) = words.next()? else { return Err(format!("'=' has to follow the option '{name}'")) };
        let (Some(Word::Bare(value)) | Some(Word::Quoted(value))) = words.next()? else {
            return Err(format!("the option '{name}' has no value"));
        };
        if options.iter().any(|(other, _)| other == name) {
            return Err(format!("the option '{name}' is there twice"));
        }
        if options.len() == OPTIONS_MAX {
            return Err(format!("there are more than {OPTIONS_MAX} options"));
        }
        options.push((name.to_owned(), value));
    }
    if words.next()?.is_some() {
        return Err("there is more behind its semicolon: a client has one login module".into());
    }
    options.retain(|(name, _)| is_among(name, known.options));
    Ok(Jaas { module: known.module, options })
}

fn is_among(name: &str, options: &[&str]) -> bool {
    options.iter().any(|option| match option.strip_suffix('_') {
        Some(_) => name.len() > option.len() && name.starts_with(option),
        None => name == *option,
    })
}

/// Only what looks like a name is repeated: the rest of a value that was not quoted would stand here, too.
fn not_an_option(module: &str, known: &Known, name: &str, before: Option<&str>) -> String {
    let is_near = known.options.iter().any(|option| strsim::damerau_levenshtein(option, name) <= 2);
    let what = match (is_near, before) {
        (true, _) => format!("'{}'", shown(name)),
        (false, Some(before)) => format!("what follows '{before}'"),
        (false, None) => "the first one".to_string(),
    };
    let options: Vec<String> = known
        .options
        .iter()
        .map(|option| if option.ends_with('_') { format!("{option}NAME") } else { (*option).to_owned() })
        .collect();
    format!(
        "{module} has no such option: {what}; there are {} (values with other signs than letters and digits have to be quoted)",
        options.join(", ")
    )
}

/// Any of them may be a secret, also where it does not belong.
enum Word {
    Bare(Secret),
    Quoted(Secret),
    Equals,
    Semicolon,
}

/// Cuts words as Java's `StreamTokenizer` does with Kafka's settings, and takes a few signs more into bare words.
struct Words<'a> {
    rest: &'a str,
}

impl Words<'_> {
    fn next(&mut self) -> Result<Option<Word>, String> {
        self.skip_space()?;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        match first {
            '=' | ';' => {
                self.rest = &self.rest[1..];
                Ok(Some(if first == '=' { Word::Equals } else { Word::Semicolon }))
            }
            '"' | '\'' => self.quoted(first).map(|text| Some(Word::Quoted(text))),
            _ => {
                let is_part = |c: char| c.is_alphanumeric() || "._-$/:@+\\~%".contains(c);
                let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
                if end == 0 {
                    return Err("a sign stands in it that has to be in quotes".into());
                }
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                Ok(Some(Word::Bare(Secret::from(word))))
            }
        }
    }

    /// White space and comments.
    fn skip_space(&mut self) -> Result<(), String> {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(comment) = self.rest.strip_prefix("//") {
                self.rest = comment.find('\n').map_or("", |end| &comment[end..]);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let end = comment.find("*/").ok_or("a comment /* has no end */")?;
                self.rest = &comment[end + 2..];
            } else {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Secret, String> {
        let mut text = Secret::with_capacity(self.rest[1..].find(quote).unwrap_or_default());
        let mut signs = self.rest.char_indices().skip(1).peekable();
        while let Some((at, sign)) = signs.next() {
            match sign {
                _ if sign == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\n' | '\r' => break,
                '\\' => {
                    let Some((_, escaped)) = signs.next() else { break };
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        '0'..='7' => {
                            let mut code = escaped.to_digit(8).unwrap_or_default();
                            // Three digits, of which the first is at most 3.
                            let more = if escaped <= '3' { 2 } else { 1 };
                            for _ in 0..more {
                                let Some(digit) = signs.peek().and_then(|(_, sign)| sign.to_digit(8)) else { break };
                                code = code * 8 + digit;
                                signs.next();
                            }
                            match char::from_u32(code) {
                                Some('\0') | None => return Err("a value holds a NUL character".into()),
                                Some(sign) => text.push(sign),
                            }
                        }
                        other => text.push(other),
                    }
                }
                _ => text.push(sign),
            }
        }
        Err("a quote is not closed".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Jaas {
        parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn value_of<'a>(jaas: &'a Jaas, option: &str) -> Option<&'a str> {
        jaas.option(option).map(Secret::reveal)
    }

    #[test]
    fn the_modules_of_kafkas_documentation_are_read() {
        let plain = good(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"alice-secret\";",
        );
        assert_eq!((plain.module, value_of(&plain, "username")), (Module::Plain, Some("alice")));
        assert_eq!(value_of(&plain, "password"), Some("alice-secret"));
        let scram = good(
            "org.apache.kafka.common.security.scram.ScramLoginModule required\n  username='t'\n  password='h' tokenauth=true ;\n",
        );
        assert_eq!((scram.module, value_of(&scram, "tokenauth")), (Module::Scram, Some("true")));
        let oauth = good(
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId=\"foo\" scope=\"a b\" \
             clientSecret=\"bar\" extension_logicalCluster=\"lkc-1\" ;",
        );
        assert_eq!(
            (value_of(&oauth, "clientSecret"), value_of(&oauth, "extension_logicalCluster")),
            (Some("bar"), Some("lkc-1"))
        );
        let krb5 = good(
            "com.sun.security.auth.module.Krb5LoginModule required /* of the host */ useKeyTab=true storeKey=true // all of it\n\
             keyTab=\"/etc/security/keytabs/kafka_client.keytab\" principal=\"kafka-client-1@EXAMPLE.COM\";",
        );
        assert_eq!(value_of(&krb5, "principal"), Some("kafka-client-1@EXAMPLE.COM"));
        assert_eq!(value_of(&krb5, "useKeyTab"), None, "it says what is done anyway");
        let aws = good("software.amazon.msk.auth.iam.IAMLoginModule required awsProfileName=\"dev\";");
        assert_eq!((aws.module, value_of(&aws, "awsProfileName")), (Module::AwsMskIam, Some("dev")));
        assert_eq!(good("IAMLoginModule required;").options, []);
        let sts =
            good("IAMLoginModule required awsStsRegion=\"eu-west-1\" awsMaxRetries=\"7\" awsMaxBackOffTimeMs=\"500\";");
        assert_eq!(sts.options, [("awsStsRegion".to_owned(), Secret::from("eu-west-1"))]);
    }

    #[test]
    fn values_are_unescaped_as_java_does() {
        let value = |text: &str| {
            let jaas = good(&format!("PlainLoginModule required username=u password={text};"));
            value_of(&jaas, "password").unwrap().to_owned()
        };
        assert_eq!(value(r#""a\"b\\c""#), "a\"b\\c");
        assert_eq!(value(r#"'a"b;=c'"#), "a\"b;=c");
        assert_eq!(value(r#""\101\7z\400""#), "A\u{7}z 0");
        assert_eq!(value(r#""ü€""#), "ü€");
        assert_eq!(value("bare-word_1.x"), "bare-word_1.x");
        assert_eq!(value("\"\""), "");
    }

    #[test]
    fn what_is_wrong_is_told_without_values() {
        for (text, says) in [
            ("", "begin with a login module"),
            ("\"x\" required;", "begin with a login module"),
            ("com.example.MyLoginModule required;", "com.example.MyLoginModule is not a login module"),
            ("s3cret required;", "its first word is not a login module"),
            ("PlainLoginModule", "'required' has to follow"),
            ("PlainLoginModule username=\"s3cret\";", "'required' has to follow"),
            ("PlainLoginModule required username=\"s3cret\" password=\"s3cret\"", "no semicolon"),
            ("PlainLoginModule required username=\"s3cret;", "a quote is not closed"),
            ("PlainLoginModule required username=\"s3cret\nx\";", "a quote is not closed"),
            ("PlainLoginModule required username \"s3cret\";", "'=' has to follow the option 'username'"),
            ("PlainLoginModule required username=;", "the option 'username' has no value"),
            ("PlainLoginModule required password=\"s3\"cret\";", "no such option: what follows 'password'"),
            ("PlainLoginModule required password=\"a\" \"s3cret\";", "what follows 'password' is no option"),
            ("PlainLoginModule required password=s3&cret;", "has to be in quotes"),
            ("PlainLoginModule required passwort=\"s3cret\";", "no such option: 'passwort'"),
            ("PlainLoginModule required s3cret=1;", "no such option: the first one"),
            ("PlainLoginModule required username=s3cret username=s3cret;", "'username' is there twice"),
            ("PlainLoginModule required; PlainLoginModule required;", "more behind its semicolon"),
            ("PlainLoginModule required /* x", "has no end"),
            ("PlainLoginModule required password=\"s3cret\\0\";", "a NUL character"),
            ("OAuthBearerLoginModule required extension_=s3cret;", "extension_NAME"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(says), "{text}: {why}");
            assert!(!why.contains("s3cret") && !why.contains("cret\""), "{text}: {why}");
        }
        assert!(!format!("{:?}", good("PlainLoginModule required password=s3cret;")).contains("s3cret"));
    }
}
