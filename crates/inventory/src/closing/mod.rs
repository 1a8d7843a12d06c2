//! Obstacles to archiving: goods on hand, and documents that are under way. This room comes last, because it
//! looks into all the others; it stores nothing.

pub mod under_way;
