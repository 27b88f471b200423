//! `arena events`: what could not be applied, and read models made anew.
