//! A Redis: what it says it is.

use redis::{Cmd, Value, from_redis_value};

use super::wire::{Login, Target, answered, ask};
use crate::core::evidence::{Failure, Role};
use crate::core::identity::Endpoint;

/// Asks a Redis for its `ROLE`.
///
/// # Errors
/// Why it gave none.
pub async fn role(target: &Target, login: &Login) -> Result<Role, Failure> {
    let mut command = Cmd::new();
    command.arg("ROLE");
    let reply = ask(target, login, &[command]).await?.pop().unwrap_or(Value::Nil);
    read(answered(reply)?)
}

/// Reads the answer to `ROLE` (`roleCommand` in Redis `src/replication.c`).
fn read(reply: Value) -> Result<Role, Failure> {
    let nonsense = || Failure::Nonsense("ROLE was not answered as a Redis answers it".to_owned());
    let Value::Array(fields) = reply else { return Err(nonsense()) };
    let text = |index: usize| {
        fields.get(index).and_then(|field: &Value| from_redis_value::<String>(field.clone()).ok()).ok_or_else(nonsense)
    };
    match text(0)?.as_str() {
        "master" => Ok(Role::Master),
        "slave" => {
            let host = text(1)?.parse().map_err(|_| nonsense())?;
            let port = text(2)?.parse().map_err(|_| nonsense())?;
            Ok(Role::Replica { of: Endpoint { host, port } })
        }
        other => Err(Failure::Nonsense(format!("this is no Redis but a `{other}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn a_role_reads_as_the_servers_write_it() {
        assert_eq!(read(Value::Array(vec![bulk("master"), Value::Int(9), Value::Array(vec![])])), Ok(Role::Master));
        let slave = Value::Array(vec![bulk("slave"), bulk("redis-0.redis"), Value::Int(6379), bulk("connect"), Value::Int(-1)]);
        let Ok(Role::Replica { of }) = read(slave) else { panic!("a replica") };
        assert_eq!(of.to_string(), "redis-0.redis:6379");
    }

    #[test]
    fn anything_else_is_nonsense_and_no_panic() {
        for reply in [
            Value::Nil,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![bulk("sentinel"), Value::Array(vec![])]),
            Value::Array(vec![bulk("slave")]),
            Value::Array(vec![bulk("slave"), bulk("a b"), bulk("x")]),
        ] {
            assert!(matches!(read(reply), Err(Failure::Nonsense(_))));
        }
    }
}
