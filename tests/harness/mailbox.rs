//! The folder into which the server of a test writes its mails.

use std::path::PathBuf;

use crate::app::TestApp;

/// A folder of mails, which is removed with the value.
pub struct Mailbox(PathBuf);

impl Mailbox {
    /// A folder without mails.
    #[expect(clippy::new_without_default, reason = "a default would be another folder each time")]
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("tenantry-mails-{}", uuid::Uuid::now_v7())))
    }

    /// The settings of a server that writes mails into the folder.
    pub fn settings(&self) -> String {
        format!("[mail]\nfolder = \"{}\"\n", self.0.display())
    }

    /// A server that writes mails into a folder.
    pub async fn with_app() -> (Self, TestApp) {
        let mailbox = Self::new();
        let app = TestApp::start_with(&mailbox.settings()).await;
        (mailbox, app)
    }

    /// Sends the mails that are due, and returns their texts, in the order in which they were written.
    pub async fn read(&self, app: &TestApp) -> Vec<String> {
        let post = app.settings.post().unwrap().unwrap();
        post.send_due(app.onboarding().owner_database()).await.unwrap();
        let owner = app.database.as_owner().await;
        const QUEUED: &str = "SELECT count(*) FROM shared.mails WHERE state = 'queued'";
        let queued: i64 = owner.query_one(QUEUED, &[]).await.unwrap().get(0);
        assert_eq!(queued, 0, "all mails are sent");
        let files = std::fs::read_dir(&self.0).map(|files| files.map(|file| file.unwrap().path()).collect());
        let mut files: Vec<PathBuf> = files.unwrap_or_default();
        files.sort();
        // Quoted-printable breaks lines with "=" and writes "=" as "=3D".
        let text = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).unwrap();
            text.replace("=\r\n", "").replace("=3D", "=")
        };
        let texts = files.iter().map(text).collect();
        files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        texts
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The token in the link of a mail.
#[track_caller]
pub fn token_in(mail: &str) -> String {
    let rest = mail.split("#token=").nth(1).unwrap_or_else(|| panic!("no link in {mail}"));
    rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect()
}
