//! Chat history, which the socket-gateway has.

use serde_json::json;

use crate::support::{Platform, until};

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_in_pages() {
    let platform = Platform::start().await;
    assert_eq!(platform.get("/history").await.ok(), json!({"messages": []}));
    let say = "with room as (insert into socket.rooms (name, last_offset) values ($1, 3) returning room_id),
               said as (insert into socket.messages (room_id, message_offset, player_id, username, text, client_id, created_at)
               select room_id, number, 7, 'ada', 'text ' || number, 'c' || number, timestamptz 'today' + interval '1 s'
               from room, generate_series(1, 3) number returning 1)
               select count(*) from said";
    for room in ["general", "lobby.1"] {
        assert_eq!(platform.row(say, &[&room]).await.get::<_, i64>(0), 3);
    }
    for path in ["/history", "/api/chat/lobby.1/history"] {
        let page = platform.get(&format!("{path}?limit=2")).await.ok();
        let messages = page["messages"].as_array().unwrap();
        let entry = |number: usize| {
            (messages[number]["id"].as_i64().unwrap(), messages[number]["text"].as_str().unwrap())
        };
        assert_eq!([entry(0), entry(1)], [(2, "text 2"), (3, "text 3")], "{path}");
        assert_eq!(messages[0]["username"], "ada");
        assert!(messages[0]["timestamp"].as_str().unwrap().ends_with("00:00:01Z"), "{page}");
        let older = platform.get(&format!("{path}?limit=2&before=2")).await.ok();
        assert_eq!(older["messages"].as_array().unwrap().len(), 1);
    }
    platform.get("/history?limit=101").await.invalid("limit");
    platform.get("/api/chat/no%20name/history").await.invalid("room");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_is_not_seen_in_history() {
    let platform = Platform::start_required().await;
    let (ada, zoe) = (platform.join("ada").await, platform.join("zoe").await);
    let say = "with room as (insert into socket.rooms (name, last_offset) values ('general', 2) returning room_id),
               said as (insert into socket.messages (room_id, message_offset, player_id, username, text, client_id, created_at)
               select room_id, player, player, 'p' || player, 'x', 'c', timestamptz 'today'
               from room, unnest(array[$1::bigint, $2::bigint]) player returning 1),
               block as (insert into socket.blocks (player_id, blocked_id) values ($1, $2))
               select count(*) from said";
    platform.row(say, &[&ada.id, &zoe.id]).await;
    for path in ["/history", "/api/chat/general/history"] {
        for (viewer, expected) in [(&ada, vec!["p1"]), (&zoe, vec!["p1", "p2"])] {
            let asked = async || platform.get_as(&viewer.access, path).await;
            // The socket-gateway learns the keys of services at its own time.
            until(async || asked().await.status == 200).await;
            let page = asked().await.ok();
            let names =
                page["messages"].as_array().unwrap().iter().map(|said| said["username"].as_str().unwrap());
            assert_eq!(names.collect::<Vec<_>>(), expected, "{path}");
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_socket_gateway_there_is_no_history() {
    let platform = Platform::gateway_alone().await;
    let answer = platform.get("/history").await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (503, &json!("unavailable")));
    platform.stop().await;
}
